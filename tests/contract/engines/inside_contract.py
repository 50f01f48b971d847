"""What a replica finds around itself, and what becomes of what it prints."""

import asyncio
from functools import partial

from contract.engines.apps import SERVER, ask
from contract.engines.sightings import observing
from contract.engines.target import Target, lines_of, ref_of, shell_command, workload_of
from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_contracts.version import CommandSpec
from slipway_engines.engine import START, LogLine


class InsideContract:
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
