"""A command that lets something run on several targets is admitted, and counted, on each of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from api_world import Platform, make_version
from slipway_api.installation.directory import Directory
from slipway_api.refusing import problems
from slipway_api.submitting.admission import Admission
from slipway_api.submitting.reservations import SCHEMA, Reservations
from slipway_api.submitting.standing import Standing
from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import SetAlias
from slipway_contracts.envelope import new_id
from slipway_contracts.installation_events import TargetAnnounced
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import Size
from slipway_contracts.traffic import RestoredRelease, TrafficShare
from slipway_store.connections import open_pool

STANDING = Standing(group="default", deployment="digits")
COMMAND = SetAlias(
    group="default",
    deployment="digits",
    by="ada",
    request_digest="d",
    alias="live",
    shares=(TrafficShare(release=1, weight=50), TrafficShare(release=2, weight=50)),
    restored=tuple(
        RestoredRelease(
            number=number,
            version=make_version(),
            config=ReleaseConfig(target=target, size=Size(cpu=1, memory_bytes=1 << 20)),
        )
        for number, target in enumerate(("first", "second"), start=1)
    ),
)


@pytest.fixture
async def reservations(make_database: Callable[[], Awaitable[str]]) -> AsyncIterator[Reservations]:
    pool = await open_pool(await make_database(), schema=SCHEMA, most=2)
    yield Reservations(pool=pool)
    await pool.close()


@pytest.fixture
async def directory(log: EventLog) -> AsyncIterator[Directory]:
    directory = Directory(log=log)
    following = asyncio.create_task(directory.run())
    yield directory
    following.cancel()
    await asyncio.wait([following])


@pytest.fixture
def admission(log: EventLog, directory: Directory, reservations: Reservations) -> Admission:
    return Admission(log=log, directory=directory, reservations=reservations, patience=timedelta(seconds=20))


async def announce(log: EventLog, directory: Directory, **cores: float) -> None:
    platform = Platform(log=log)
    for target, cpu in cores.items():
        sequence = await platform.tell(
            TargetAnnounced(target=target, engine="supervisor", epoch=1, cpu=cpu, memory_bytes=1 << 37)
        )
        await directory.applied(sequence)


async def test_each_target_counts_what_shall_run_there(
    log: EventLog, directory: Directory, admission: Admission, reservations: Reservations
) -> None:
    await announce(log, directory, first=8, second=8)

    admitted = await admission.admit(COMMAND, identifier=new_id(), behind=0, standing=STANDING)

    held = await reservations.of_targets(["first", "second"])
    of_group = await reservations.of_groups(["default"])
    assert len(admitted.reservations) == 2
    assert all(held[target].cpu >= 1 for target in ("first", "second"))
    assert of_group["default"].cpu == 2, "of the group's quota it counts once"

    await admission.withdraw(admitted)

    assert await reservations.of_targets(["first", "second"]) == {}


async def test_a_second_target_without_room_refuses_and_nothing_stays_reserved(
    log: EventLog, directory: Directory, admission: Admission, reservations: Reservations
) -> None:
    await announce(log, directory, first=8, second=0.5)

    with pytest.raises(problems.CapacityExceededError) as refused:
        await admission.admit(COMMAND, identifier=new_id(), behind=0, standing=STANDING)

    assert refused.value.members["target"] == "second"
    assert await reservations.of_targets(["first", "second"]) == {}
