"""Deadlines count the time in which any deployer was there, and no other."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from deployer_stand import KEY, desired, events, make_attendance, make_deployments, send
from deployment_world import make_deploy
from memory_engine import MemoryEngine
from slipway_chassis.event_log import EventLog
from slipway_contracts.envelope import now
from slipway_deployer.timing.attendance import BEAT_EVERY

NIGHT = timedelta(hours=9)


@dataclass
class Clock:
    at: datetime = field(default_factory=now)

    def __call__(self) -> datetime:
        return self.at


class Deployer:
    """One process of the deployer, in a time of its own."""

    def __init__(self, log: EventLog, clock: Clock) -> None:
        self._clock = clock
        self._attendance = make_attendance(log, clock)
        self._deployments = make_deployments(log, MemoryEngine(), clock=clock, attendance=self._attendance)

    async def attend(self, seconds: int) -> None:
        """Be there for so long: beat, and look at the deployment as if it were always due."""
        await self._attendance.beat()
        await self._deployments.advance(KEY)
        for _ in range(timedelta(seconds=seconds) // BEAT_EVERY):
            self._clock.at += BEAT_EVERY
            await self._attendance.beat()
            await self._deployments.advance(KEY)


async def has_failed(log: EventLog) -> bool:
    return "release.failed.v1" in await events(log)


async def deadline(log: EventLog) -> datetime | None:
    return (await desired(log)).unfinished[0].deadline_at


async def test_a_deployer_that_starts_over_and_over_puts_no_deadline_off(log: EventLog) -> None:
    clock = Clock()
    await send(log, make_deploy(deadline_seconds=60))
    await Deployer(log, clock).attend(0)
    promised = await deadline(log)

    for _ in range(2):
        clock.at += timedelta(seconds=5)
        await Deployer(log, clock).attend(15)
    postponed = await deadline(log)
    clock.at += timedelta(seconds=5)
    await Deployer(log, clock).attend(15)

    assert postponed == promised
    assert await has_failed(log)


async def test_a_second_deployer_that_joins_puts_no_deadline_off(log: EventLog) -> None:
    clock = Clock()
    first = Deployer(log, clock)
    await send(log, make_deploy(deadline_seconds=60))
    await first.attend(50)

    await Deployer(log, clock).attend(0)
    await first.attend(10)

    assert await has_failed(log)


async def test_minutes_without_a_deployer_do_not_count(log: EventLog) -> None:
    clock = Clock()
    await send(log, make_deploy(deadline_seconds=60))
    await Deployer(log, clock).attend(30)

    clock.at += timedelta(minutes=5)
    deployer = Deployer(log, clock)
    await deployer.attend(25)
    failed_early = await has_failed(log)
    await deployer.attend(5)

    assert not failed_early
    assert await has_failed(log)


async def test_pauses_between_many_starts_count_once_each(log: EventLog) -> None:
    clock = Clock()
    await send(log, make_deploy(deadline_seconds=60))
    await Deployer(log, clock).attend(0)
    promised = await deadline(log)
    assert promised is not None

    for _ in range(3):
        clock.at += timedelta(minutes=2)
        await Deployer(log, clock).attend(10)

    assert await deadline(log) == promised + timedelta(minutes=6)


async def test_a_deployer_that_was_suspended_fails_nothing_before_its_time(log: EventLog) -> None:
    clock = Clock()
    deployments = make_deployments(log, MemoryEngine(), clock=clock)
    await send(log, make_deploy(deadline_seconds=60))
    await deployments.advance(KEY)

    clock.at += NIGHT
    await deployments.advance(KEY)

    assert not await has_failed(log)
    assert (await desired(log)).unfinished


async def test_a_clock_that_is_slow_makes_no_absence_of_another_deployer(log: EventLog) -> None:
    clock = Clock()
    fast = Clock(at=clock.at + timedelta(minutes=1))
    slow_one, fast_one = make_attendance(log, clock), make_attendance(log, fast)
    await fast_one.beat()

    before = await slow_one.beat()
    after = await fast_one.beat()

    assert before == after
