"""What a target that goes down and comes back keeps, and what every observer agrees on."""

from signal import SIGKILL

import pytest
from contract.engines.apps import ask
from contract.engines.sightings import observing
from contract.engines.target import Target, begins, shell_command, workload_of
from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import CommandSpec
from slipway_engines.errors import EngineUnavailableError


class RecoveryContract:
    async def test_a_killed_target_leaves_no_process_and_comes_back_with_each_replica_once(
        self, target: Target
    ) -> None:
        workload = workload_of(target, slots=(1, 1), command=CommandSpec(argv=("python", "family.py")))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            await seen.ready(workload)

            await target.down(SIGKILL)
            await eventually(lambda: target.processes() == [])
            await seen.until(workload, "0-1", ReplicaState.UNREADY)
            await seen.reachable(now=False)
            await target.up()

            again = await seen.ready(workload)
            await seen.reachable(now=True)
            for replica, report in again.items():
                assert (await ask(report.address))["pid"] == report.pid
                assert await begins(engine, workload, [replica]) == 2
            assert not {ReplicaState.EXITED, ReplicaState.GONE} & {
                each.state for each in seen.of(workload, "0-1")
            }

    async def test_a_target_that_is_shut_down_and_started_brings_back_what_ran_and_nothing_else(
        self, target: Target
    ) -> None:
        serving = workload_of(target)
        ended = workload_of(target, id="00000000000000bb", command=shell_command("echo begin; exit 3"))
        removed = workload_of(target, id="00000000000000cc")
        engine = target.engine()
        for each in (serving, ended, removed):
            await engine.apply(each)
        async with observing(engine) as seen:
            await seen.ready(serving)
            await seen.ready(removed)
            await seen.until(ended, "0-1", ReplicaState.EXITED)
            await engine.remove(removed.ref)
            await seen.until(removed, "0-1", ReplicaState.GONE)

        await target.down()
        await target.up()

        async with observing(engine) as seen:
            await seen.ready(serving)
            assert seen.states(ended) == {"0-1": ReplicaState.EXITED}
            assert seen.states(removed) == {}
            assert await begins(engine, ended, ["0-1"]) == 1

    async def test_wishes_told_to_a_target_that_is_down_are_refused_and_kept(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        await target.down()

        with pytest.raises(EngineUnavailableError):
            await engine.apply(workload)
        await target.up()
        await engine.apply(workload)

        async with observing(engine) as seen:
            await seen.ready(workload)
            assert await begins(engine, workload, ["0-1"]) == 1

    async def test_a_target_that_is_down_makes_no_replica_gone(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        await engine.apply(workload)
        async with observing(engine) as seen:
            await seen.ready(workload)
        await target.down()

        async with observing(engine) as seen:
            await seen.reachable(now=False)

            assert seen.states(workload) == {"0-1": ReplicaState.UNREADY}

    async def test_another_engine_sees_the_same_from_the_start(self, target: Target) -> None:
        workload = workload_of(target, slots=(1, 1))
        ended = workload_of(target, id="00000000000000bb", command=shell_command("exit 3"))
        engine = target.engine()
        async with observing(engine) as first:
            await engine.apply(workload)
            await engine.apply(ended)
            ready = await first.ready(workload)
            await first.until(ended, "0-1", ReplicaState.EXITED)

            async with observing(target.engine()) as seen:
                second = seen.snapshot
                assert second.states(workload) == {"0-1": ReplicaState.READY, "1-1": ReplicaState.READY}
                assert second.states(ended) == {"0-1": ReplicaState.EXITED}
                assert second.of(workload, "0-1")[-1].pid == ready["0-1"].pid
                assert len(second.of(workload, "0-1")) == 1
                assert second.of(ended, "0-1")[-1].exit_code == 3
