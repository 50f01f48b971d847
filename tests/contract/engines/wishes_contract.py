"""What becomes of wishes: each process once, and its end."""

import asyncio

from contract.engines.apps import ask
from contract.engines.sightings import observing
from contract.engines.target import Target, begins, shell_command, workload_of
from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import CommandSpec


class WishesContract:
    async def test_a_wish_told_twice_at_once_and_again_starts_one_process(self, target: Target) -> None:
        workload = workload_of(target)
        one, other = target.engine(), target.engine()

        await asyncio.gather(one.apply(workload), other.apply(workload))
        async with observing(one) as seen:
            (ready,) = (await seen.ready(workload)).values()
            await one.apply(workload)

            assert (await ask(ready.address))["pid"] == ready.pid
            assert await begins(one, workload, ["0-1"]) == 1

    async def test_a_repeated_wish_does_not_restart_an_attempt_that_exited(self, target: Target) -> None:
        workload = workload_of(target, command=shell_command("echo begin; exit 3"))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            await seen.until(workload, "0-1", ReplicaState.EXITED)

            await engine.apply(workload)
            await target.engine().apply(workload)

            assert seen.states(workload) == {"0-1": ReplicaState.EXITED}
            assert await begins(engine, workload, ["0-1"]) == 1

    async def test_a_raised_attempt_starts_one_new_process_and_ends_the_old_replica(
        self, target: Target
    ) -> None:
        workload = workload_of(target)
        raised = workload.model_copy(update={"slots": (2,)})
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (old,) = (await seen.ready(workload)).values()

            await engine.apply(raised)
            await engine.apply(raised)

            (new,) = (await seen.ready(raised)).values()
            await seen.until(workload, "0-1", ReplicaState.GONE)
            assert new.pid != old.pid
            assert await begins(engine, raised, ["0-2"]) == 1

    async def test_scaling_up_and_down_leaves_the_survivors_alone(self, target: Target) -> None:
        two = workload_of(target, slots=(1, 1))
        three = two.model_copy(update={"slots": (1, 1, 1)})
        one = two.model_copy(update={"slots": (1,)})
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(two)
            before = await seen.ready(two)

            await engine.apply(three)
            more = await seen.ready(three)
            await engine.apply(one)

            await seen.until(one, "1-1", ReplicaState.GONE)
            await seen.until(one, "2-1", ReplicaState.GONE)
            assert more["0-1"].pid == before["0-1"].pid
            assert more["1-1"].pid == before["1-1"].pid
            assert (await ask(before["0-1"].address))["pid"] == before["0-1"].pid
            assert seen.of(one, "0-1")[-1].state is ReplicaState.READY

    async def test_a_removal_ends_the_whole_family_and_may_be_repeated(self, target: Target) -> None:
        workload = workload_of(target, command=CommandSpec(argv=("python", "family.py")))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            await seen.ready(workload)
            assert len(target.processes()) == 3

            await engine.remove(workload.ref)
            await engine.remove(workload.ref)

            await seen.until(workload, "0-1", ReplicaState.GONE)
            assert target.processes() == []
            await engine.remove(workload.ref)

    async def test_a_removed_workload_that_is_wished_for_again_starts_again(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (old,) = (await seen.ready(workload)).values()

            await engine.remove(workload.ref)
            await engine.apply(workload)

            await eventually(lambda: seen.of(workload, "0-1")[-1].pid not in (None, old.pid))
            (new,) = (await seen.ready(workload)).values()
            assert (await ask(new.address))["pid"] == new.pid

    async def test_a_removal_of_what_never_was_changes_nothing(self, target: Target) -> None:
        workload = workload_of(target)
        stranger = workload.model_copy(update={"id": "00000000000000bb"})
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()

            await engine.remove(stranger.ref)

            assert (await ask(ready.address))["pid"] == ready.pid

    async def test_a_replica_that_ignores_the_request_to_end_is_killed_after_its_grace(
        self, target: Target
    ) -> None:
        shell = "trap '' TERM; python server.py & wait; sleep 100"
        workload = workload_of(target, command=shell_command(shell), grace_seconds=0.5)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            await seen.ready(workload)

            await engine.remove(workload.ref)

            await seen.until(workload, "0-1", ReplicaState.GONE)
            assert target.processes() == []
