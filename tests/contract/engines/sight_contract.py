"""What is reported of replicas, well or not."""

import asyncio
from contextlib import suppress

import pytest
from contract.engines.apps import SERVER, ask
from contract.engines.sightings import observing
from contract.engines.target import Target, workload_of
from slipway_contracts.failure import Reason
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import CommandSpec


class SightContract:
    async def test_a_ready_replica_is_reported_started_first_and_with_where_it_answers(
        self, target: Target
    ) -> None:
        workload = workload_of(target, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            await seen.ready(workload)

            reports = seen.of(workload, "0-1")
            assert [each.state for each in reports if each.pid] == [ReplicaState.STARTED, ReplicaState.READY]
            assert {each.endpoint for each in reports} == {"predict"}
            assert {each.traceparent for each in reports} == {workload.traceparent}
            assert reports[-1].started_at is not None
            assert reports[-1].started_at <= reports[-1].at

    @pytest.mark.parametrize("code", [0, 3])
    async def test_an_exit_at_once_is_reported_with_its_code_and_last_lines(
        self, target: Target, code: int
    ) -> None:
        workload = workload_of(target, command=CommandSpec(argv=("python", "last_words.py", str(code))))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            exited = await seen.until(workload, "0-1", ReplicaState.EXITED)

            assert (exited.exit_code, exited.signal) == (code, None)
            assert exited.log_tail[-1] == "the last words"
            assert exited.log_tail[-2] == "line 99"
            assert len(exited.log_tail) == 40

    async def test_an_exit_later_is_reported_with_its_code(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()

            with suppress(OSError, ValueError):
                await ask(ready.address, "/exit/7")

            exited = await seen.until(workload, "0-1", ReplicaState.EXITED)
            assert (exited.exit_code, exited.signal) == (7, None)
            assert exited.log_tail[-1] == "leaving"

    async def test_a_replica_that_is_killed_is_reported_with_the_signal(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()

            with suppress(OSError, ValueError):
                await ask(ready.address, "/kill")

            exited = await seen.until(workload, "0-1", ReplicaState.EXITED)
            assert (exited.exit_code, exited.signal) == (None, "SIGKILL")

    async def test_a_command_that_does_not_exist_is_an_exit_whose_log_names_it(self, target: Target) -> None:
        workload = workload_of(target, command=CommandSpec(argv=("pyhton", "server.py")))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            exited = await seen.until(workload, "0-1", ReplicaState.EXITED)

            assert exited.exit_code == 127
            assert "pyhton" in exited.log_tail[-1]

    async def test_what_an_exited_replica_left_behind_is_ended(self, target: Target) -> None:
        workload = workload_of(target, command=CommandSpec(argv=("python", "family.py")))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()

            with suppress(OSError, ValueError):
                await ask(ready.address, "/exit/1")

            await seen.until(workload, "0-1", ReplicaState.EXITED)
            assert target.processes() == []

    async def test_a_replica_on_the_wrong_port_is_told_with_the_port_it_listens_on(
        self, target: Target
    ) -> None:
        workload = workload_of(target, environment={"ANY_PORT": "1"})
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            unready = await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="listens on port")

            (port,) = unready.listening
            assert f"port {port}, but PORT is {(unready.address or '').rpartition(':')[2]}" in str(
                unready.detail
            )
            assert (await ask(f"127.0.0.1:{port}"))["pid"] == unready.pid

    async def test_a_server_that_hangs_is_unready_and_says_so(self, target: Target) -> None:
        workload = workload_of(target, health="/health")
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()

            await ask(ready.address, "/hang")

            await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="/health")
            assert seen.states(workload) == {"0-1": ReplicaState.UNREADY}

    async def test_a_busy_server_without_a_health_path_stays_ready(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()
            await ask(ready.address, "/hang")

            with suppress(TimeoutError):
                async with asyncio.timeout(4):
                    await ask(ready.address, "/health")

            assert seen.of(workload, "0-1")[-1].state is ReplicaState.READY

    async def test_a_replica_that_no_longer_listens_is_unready(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()

            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await ask(ready.address, "/close")

            await seen.until(workload, "0-1", ReplicaState.UNREADY)

    async def test_a_health_path_that_fails_keeps_a_replica_from_being_ready(self, target: Target) -> None:
        script = SERVER.replace("send_response(200)", "send_response(503)")
        workload = workload_of(target, image=target.shelf.image({"app/server.py": script}), health="/health")
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            unready = await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="503")

            assert "/health" in (unready.detail or "")

    async def test_an_image_that_is_not_stored_is_a_problem_of_the_replica(self, target: Target) -> None:
        workload = workload_of(target, image="sha256:" + "0" * 64)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            problem = await seen.problem(workload)

            assert problem.reason is Reason.IMAGE_UNUSABLE
            assert workload.image in problem.message

    async def test_an_image_for_another_python_is_refused_with_what_helps(self, target: Target) -> None:
        workload = workload_of(target, image=target.shelf.image({"app/server.py": SERVER}, python="2.7"))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            problem = await seen.problem(workload)

            assert problem.reason is Reason.PYTHON_NOT_AVAILABLE
            assert "2.7" in problem.message

    async def test_what_the_target_holds_counts_in_its_capacity(self, target: Target) -> None:
        engine = target.engine()
        before = await engine.capacity()

        await engine.apply(workload_of(target, slots=(1, 1)))

        after = await engine.capacity()
        assert (before.replicas, after.replicas) == (0, 2)
        assert after.cpu > 0
        assert after.memory_bytes > 1 << 20
        assert after.allocatable_cpu is not None
        assert after.allocatable_memory_bytes is not None
