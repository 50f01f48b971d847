"""What every engine promises; a subclass brings the fixture `target`."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from signal import SIGKILL, SIGTERM
from typing import Any, Protocol

import pytest
from contract.engines.apps import FAMILY, LAST_WORDS, SERVER, ask
from contract.engines.images import ImageShelf
from contract.engines.sightings import observing
from eventually import eventually
from slipway_contracts.failure import Reason
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import CommandSpec
from slipway_contracts.workload import ReplicaRef, Workload
from slipway_engines.engine import START, Engine, LogLine, Position
from slipway_engines.errors import EngineUnavailableError


class Target(Protocol):
    """A real target of the engine under test, empty at the start of each test."""

    shelf: ImageShelf

    def engine(self) -> Engine:
        """Return another engine for this target."""
        ...

    async def up(self) -> Any:
        """Start the target."""
        ...

    async def down(self, number: Any = SIGTERM) -> None:
        """End the target itself by a signal."""
        ...

    def processes(self) -> list[int]:
        """Return every process of any replica."""
        ...


def workload_of(target: Target, *, command: CommandSpec | None = None, **overrides: Any) -> Workload:
    files = {"app/server.py": SERVER, "app/family.py": FAMILY, "app/last_words.py": LAST_WORDS}
    wish: dict[str, Any] = {
        "id": "00000000000000aa",
        "group": "default",
        "deployment": "digits",
        "endpoint": "predict",
        "target": "here",
        "image": overrides.pop("image", None) or target.shelf.image(files),
        "command": command or CommandSpec(argv=("python", "server.py")),
        "grace_seconds": 1.0,
        **overrides,
    }
    return Workload(**wish)


def shell_command(line: str) -> CommandSpec:
    return CommandSpec.model_validate({"shell": line})


def ref_of(workload: Workload, replica: str) -> ReplicaRef:
    return ReplicaRef(workload=workload.ref, id=replica)


async def lines_of(engine: Engine, ref: ReplicaRef, since: Position = START) -> list[str]:
    """Return what a replica printed until now."""
    texts: list[str] = []

    async def read() -> None:
        async for line in engine.logs(ref, since):
            texts.append(line.text)  # noqa: PERF401 - what was read before the timeout counts

    with suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await read()
    return texts


async def begins(engine: Engine, workload: Workload, replicas: Sequence[str]) -> int:
    """Return how many processes these replicas ever started."""
    texts = [text for each in replicas for text in await lines_of(engine, ref_of(workload, each))]
    return sum(1 for text in texts if text.startswith("begin"))


class EngineContract:
    async def test_a_wish_told_twice_at_once_and_again_starts_one_process(self, target: Target) -> None:
        workload = workload_of(target)
        one, other = target.engine(), target.engine()

        await asyncio.gather(one.apply(workload), other.apply(workload))
        async with observing(one) as seen:
            (ready,) = (await seen.ready(workload)).values()
            await one.apply(workload)

            assert (await ask(ready.address))["pid"] == ready.pid
            assert await begins(one, workload, ["0-1"]) == 1

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

    async def test_a_replica_on_the_wrong_port_is_told_with_the_port_it_listens_on(
        self, target: Target
    ) -> None:
        workload = workload_of(target, environment={"PORT_ERROR": "7"})
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            unready = await seen.until(workload, "0-1", ReplicaState.UNREADY, saying="listens on port")

            assert unready.address is not None
            port = int(unready.address.rpartition(":")[2])
            assert unready.listening == (port + 7,)
            assert str(port + 7) in (unready.detail or "")

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

    async def test_a_log_is_followed_through_rotation_without_gap_or_repeat(self, target: Target) -> None:
        workload = workload_of(target)
        engine = target.engine()
        followed: list[LogLine] = []

        async def follow() -> None:
            async for line in engine.logs(ref_of(workload, "0-1"), START):
                followed.append(line)  # noqa: PERF401 - looked at while it grows

        def has(count: int) -> bool:
            return len(followed) >= count

        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()
            task = asyncio.create_task(follow())
            for first in range(0, 1400, 100):
                await ask(ready.address, f"/say/{first}/100/10000")
                await eventually(partial(has, first + 101))
            rest = await lines_of(engine, ref_of(workload, "0-1"), followed[-3].position)
            await engine.remove(workload.ref)
            await asyncio.wait_for(task, timeout=10)

        numbers = [line.text.split()[0] for line in followed[1:]]
        assert numbers == [str(each) for each in range(1400)]
        assert [text.split()[0] for text in rest] == ["1398", "1399"]
        assert {line.stream for line in followed} == {"stdout"}

    async def test_a_follower_ends_when_the_replica_has_ended(self, target: Target) -> None:
        workload = workload_of(target, command=CommandSpec(argv=("python", "last_words.py", "0")))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            await seen.until(workload, "0-1", ReplicaState.EXITED)

            lines = [line async for line in engine.logs(ref_of(workload, "0-1"), START)]

            assert len(lines) == 101
            assert (lines[-1].stream, lines[-1].text) == ("stderr", "the last words")
            assert [line async for line in engine.logs(ref_of(workload, "9-9"), START)] == []

    async def test_a_replica_sees_its_own_settings_and_nothing_of_the_platform(self, target: Target) -> None:
        workload = workload_of(
            target,
            image=target.shelf.image({"app/server.py": SERVER}, environment=["FROM_IMAGE=1"]),
            environment={"FROM_USER": "2"},
        )
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)
            (ready,) = (await seen.ready(workload)).values()

            told = await ask(ready.address)

            environment = told["environment"]
            assert ready.address == f"127.0.0.1:{environment['PORT']}"
            assert environment["FROM_IMAGE"] == "1"
            assert environment["FROM_USER"] == "2"
            assert set(environment) - {"LC_CTYPE"} == {
                *("PATH", "LANG", "HOME", "TMPDIR", "PORT", "FROM_IMAGE", "FROM_USER")
            }
            assert not [each for each in told["path"] if "slipway" in each and "site-packages" in each]

    async def test_a_shell_command_runs_as_it_was_written(self, target: Target) -> None:
        command = shell_command("echo \"port $PORT\" && python -c 'import sys; sys.exit(5)'")
        workload = workload_of(target, command=command)
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            exited = await seen.until(workload, "0-1", ReplicaState.EXITED)

            assert exited.exit_code == 5
            assert exited.address is not None
            assert exited.log_tail == (f"port {exited.address.rpartition(':')[2]}",)

    async def test_the_port_is_put_into_the_arguments(self, target: Target) -> None:
        workload = workload_of(target, command=CommandSpec(argv=("python", "-m", "http.server", "$PORT")))
        engine = target.engine()
        async with observing(engine) as seen:
            await engine.apply(workload)

            await seen.ready(workload)

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
