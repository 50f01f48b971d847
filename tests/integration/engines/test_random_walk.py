"""Random walks over one target: wishes, and kills of whoever takes part in them, at any step.

Whatever happened on the way: in the end, a replica runs if it is wished for, and only then.
"""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from contract.engines.apps import SERVER
from contract.engines.local_target import LocalTarget
from contract.engines.sightings import Sightings, observing
from contract.engines.target import workload_of
from eventually import eventually
from integration.engines.killed_wishes import wish
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import Workload
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.supervisor.launcher.process_tree import holders
from slipway_engines.supervisor.program_files import ProgramFiles
from slipway_engines.supervisor.rpc import Call

SEEDS = (0,)
STEPS = 12
MOST_STEPS_OF_A_WISH = 40
SLOTS: tuple[tuple[int, ...], ...] = ((1,), (1, 1), (2, 1), (2,))


class Walk:
    """What is wished for at the moment, and the ways to go on from there."""

    def __init__(self, target: LocalTarget, seed: int) -> None:
        self.target = target
        self.desired: dict[str, Workload] = {}
        self._chance = random.Random(seed)  # noqa: S311 - the same walk each time
        image = target.shelf.image({"app/server.py": SERVER})
        self._all = [workload_of(target, id=f"{number:016x}", image=image) for number in range(3)]

    async def step(self) -> str:
        """Take one step, and say which."""
        way = self._chance.choice(("apply", "apply", "apply", "remove", "kill supervisord", "kill replica"))
        workload = self._chance.choice(self._all)
        die_at = self._chance.choice((None, self._chance.randrange(MOST_STEPS_OF_A_WISH)))
        slots = self._chance.choice(SLOTS)
        match way:
            case "apply":
                self.desired[workload.id] = workload.model_copy(update={"slots": slots})
                await wish(self.target.settings, way, self.desired[workload.id], die_at=die_at)
            case "remove":
                self.desired.pop(workload.id, None)
                await wish(self.target.settings, way, workload, die_at=die_at)
            case "kill supervisord":
                await self.target.down(signal.SIGKILL)
                await self.target.up()
            case _:
                self._kill_one()
        return f"{way} {workload.id[-1]} {slots} dies at {die_at}"

    def _kill_one(self) -> None:
        found = self.target.processes()
        if found:
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(found), signal.SIGKILL)

    async def told(self, seen: Sightings) -> bool:
        """Tell everything as a deployer does that starts; say whether all of it is so by now."""
        engine = self.target.engine()
        for workload in self._all:
            wanted = self.desired.get(workload.id)
            if wanted is None:
                await engine.remove(workload.ref)
                continue
            states = seen.states(wanted)
            if any(states.get(each) is ReplicaState.EXITED for each in wanted.replica_ids):
                slots = tuple(each + 1 for each in wanted.slots)
                wanted = self.desired[workload.id] = wanted.model_copy(update={"slots": slots})
            await engine.apply(wanted)
        return self._is_so(seen)

    def _is_so(self, seen: Sightings) -> bool:
        for workload in self._all:
            wanted = self.desired.get(workload.id)
            living = dict.fromkeys(wanted.replica_ids if wanted else (), ReplicaState.READY)
            states = seen.states(workload).items()
            assert {name: state for name, state in states if state is not ReplicaState.GONE} == living
        return True


async def come_to_rest(walk: Walk) -> None:
    """Wait until the target is as it is wished to be, and nothing else runs on it."""
    target, files = walk.target, ProgramFiles(walk.target.settings)

    async def at_rest() -> bool:
        with suppress(EngineUnavailableError):
            return await walk.told(seen)
        return False

    async with observing(target.engine()) as seen:
        await eventually(at_rest, timeout=60, every=0.1)
    wished = [files.layout.replica_folder(each.name) for each in files.wished()]
    running = {pid for folder in wished for pid in holders(folder)}
    assert set(target.processes()) == running
    assert len(wished) == sum(len(each.slots) for each in walk.desired.values())


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_a_random_walk_what_is_wished_for_runs_and_a_purge_ends(
    target: LocalTarget, seed: int
) -> None:
    walk = Walk(target, seed)
    for _ in range(STEPS):
        await walk.step()

    await come_to_rest(walk)
    walk.desired.clear()
    await come_to_rest(walk)

    assert await forgotten(target)


def wishes_left(files: ProgramFiles) -> list[Path]:
    """Return what lies where wishes lie, half written ones too."""
    return list(Path(files.layout.programs).iterdir())


async def forgotten(target: LocalTarget) -> bool:
    """Say whether supervisord knows no replica, once the next wish has come."""
    await target.engine().remove(workload_of(target).ref)
    infos = await target.client().call(Call("getAllProcessInfo"))
    files = ProgramFiles(target.settings)
    assert not infos, infos
    assert not wishes_left(files)
    return not files.withdrawn() and not await asyncio.to_thread(target.processes)
