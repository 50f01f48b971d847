"""One run per deployment at a time, whoever asks for it and whenever."""

import asyncio
from collections.abc import Sequence

from slipway_contracts.replica import ReplicaFact
from slipway_deployer.records import Key
from slipway_deployer.timing.wakeups import Wakeups

KEY: Key = ("default", "greeter")


class Runs:
    """Runs that last until they are let go; counts those under way."""

    def __init__(self) -> None:
        self.under_way = 0
        self.most = 0
        self.total = 0
        self.places = asyncio.Semaphore(0)

    async def advance(self, key: Key, *, resync: bool) -> bool:
        assert (key, resync) == (KEY, False)
        self.total += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.places.acquire()
        self.under_way -= 1
        return True

    async def disown(self, _: Key, __: Sequence[ReplicaFact], /) -> bool:
        return True


async def turn() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_wakeups_that_come_meanwhile_share_the_next_run() -> None:
    runs = Runs()
    wakeups = Wakeups(advance=runs.advance, disown=runs.disown)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(5):
            tasks.create_task(wakeups.wake(KEY))
            await turn()
        runs.places.release()
        await turn()
        runs.places.release()

    assert runs.total == 2


async def test_one_who_shared_the_last_run_does_not_let_two_others_run_at_once() -> None:
    runs = Runs()
    wakeups = Wakeups(advance=runs.advance, disown=runs.disown)
    asks = asyncio.Event()

    async def wake_when_asked() -> None:
        await asks.wait()
        await wakeups.wake(KEY)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(wake_when_asked())
        for _ in range(3):
            tasks.create_task(wakeups.wake(KEY))
        await turn()
        runs.places.release()
        await turn()
        # Two share the run that ends now; the next one is asked for before the second of them goes on.
        runs.places.release()
        asks.set()
        await turn()
        tasks.create_task(wakeups.wake(KEY))
        await turn()
        for _ in range(2):
            runs.places.release()

    assert (runs.total, runs.most) == (4, 1)
