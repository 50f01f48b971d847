"""What ended before it could write that down, and what was damaged, on a real supervisord."""

import asyncio
import fcntl
import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from contract.engines.local_target import LocalTarget
from contract.engines.sightings import observing
from contract.engines.target import shell_command, workload_of
from eventually import eventually
from integration.engines.written_wishes import written_down
from slipway_contracts.replica import ReplicaState
from slipway_engines.supervisor.program_files import Program, ProgramFiles
from slipway_engines.supervisor.rpc import Call

TWO_SLOTS = (1, 1)


async def state_of(target: LocalTarget, program: Program) -> str:
    return str((await target.client().call(Call("getProcessInfo", (program.name,))))["statename"])


async def test_a_launcher_that_was_told_to_end_by_hand_is_started_again_by_the_next_wish(
    target: LocalTarget,
) -> None:
    workload, engine = workload_of(target), target.engine()
    files = ProgramFiles(target.settings)
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        (program,) = files.wished()
        record = files.record(program)
        assert record is not None
        os.kill(record.launcher_pid, signal.SIGTERM)
        await seen.until(workload, "0-1", ReplicaState.UNREADY)
        await eventually(lambda: _is(target, program, "EXITED"))

        await engine.apply(workload)

        await seen.ready(workload)


async def test_a_launcher_that_was_killed_before_its_first_word_is_started_again_by_the_next_wish(
    target: LocalTarget,
) -> None:
    workload, engine = workload_of(target), target.engine()
    program = await written_down(target, workload)
    folder = Path(target.settings.folder) / "replicas" / program.name
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    # A launcher that finds the replica taken waits, and has written nothing.
    fcntl.flock(lock, fcntl.LOCK_EX)
    async with observing(engine) as seen:
        await engine.apply(workload)
        pid = (await target.client().call(Call("getProcessInfo", (program.name,))))["pid"]
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: _is(target, program, "EXITED"))
        os.close(lock)

        await engine.apply(workload)

        await seen.ready(workload)


async def test_a_wish_for_one_more_replica_brings_the_stopped_one_back_too(target: LocalTarget) -> None:
    workload, engine = workload_of(target), target.engine()
    program = await written_down(target, workload)
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        await target.client().call(Call("stopProcess", (program.name, True)))
        await seen.until(workload, "0-1", ReplicaState.UNREADY)
        more = workload.model_copy(update={"slots": TWO_SLOTS})

        await engine.apply(more)

        await seen.ready(more)


async def test_a_wish_that_supervisord_lost_keeps_no_stopped_one_from_coming_back(
    target: LocalTarget,
) -> None:
    workload = workload_of(target, slots=TWO_SLOTS)
    engine, files, client = target.engine(), ProgramFiles(target.settings), target.client()
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        for each in files.wished():
            await client.call(Call("stopProcess", (each.name, True)))
        await client.call(Call("removeProcessGroup", (files.wished()[0].name,)))

        await engine.apply(workload)

        await seen.ready(workload)


def say_more(file: Path) -> None:
    """Let a file have a member that this release does not know."""
    file.write_text(json.dumps({**json.loads(file.read_text()), "newer": True}))


@pytest.mark.parametrize("damaged", ["launch.json", "wish"])
async def test_a_wish_whose_file_a_power_cut_emptied_is_written_down_anew(
    target: LocalTarget, damaged: str
) -> None:
    workload, engine = workload_of(target), target.engine()
    program, layout = await written_down(target, workload), ProgramFiles(target.settings).layout
    path = layout.config_file(program.name) if damaged == "launch.json" else layout.program_file(program.name)
    os.truncate(path, 0)

    await engine.apply(workload)

    async with observing(engine) as seen:
        await seen.ready(workload)
    assert ProgramFiles(target.settings).wished() != [program]


async def test_a_replica_whose_files_say_more_than_this_release_knows_runs_on(target: LocalTarget) -> None:
    workload, engine = workload_of(target), target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        before = target.processes()
        (program,) = ProgramFiles(target.settings).wished()
        layout = ProgramFiles(target.settings).layout
        for path in (layout.config_file(program.name), layout.record_file(program.name)):
            say_more(Path(path))

        await target.engine().apply(workload)

    assert ProgramFiles(target.settings).wished() == [program]
    async with observing(target.engine()) as seen:
        await seen.ready(workload)
    assert target.processes() == before


async def test_a_replica_that_was_taken_for_forgotten_is_ended_by_its_removal(target: LocalTarget) -> None:
    workload, engine = workload_of(target), target.engine()
    files = ProgramFiles(target.settings)
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        (program,) = files.wished()
        (Path(files.layout.replica_folder(program.name)) / "dismissed").touch()

        await engine.remove(workload.ref)

        await seen.until(workload, "0-1", ReplicaState.GONE)
        assert not target.processes()


async def test_a_replica_is_not_gone_while_an_earlier_start_of_it_still_ends(target: LocalTarget) -> None:
    mark = target.folder / "began"
    slow = f"[ -e {mark} ] || {{ touch {mark}; trap '' TERM; }}; python server.py"
    workload = workload_of(target, command=shell_command(slow), grace_seconds=60.0)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (first,) = (await seen.ready(workload)).values()
        (earlier,) = target.processes()[-1:]
        await engine.remove(workload.ref)
        await engine.apply(workload)
        await eventually(lambda: seen.of(workload, "0-1")[-1].pid != first.pid)
        await seen.ready(workload)
        begun = len(seen.all)
        await engine.remove(workload.ref)
        await eventually(lambda: target.processes()[-1:] == [earlier])

        killed = datetime.now(UTC)
        os.kill(earlier, signal.SIGKILL)

        gone = await seen.until(workload, "0-1", ReplicaState.GONE)
        assert gone.at >= killed, seen.all[begun:]
        assert not target.processes()


async def test_a_record_from_before_a_reboot_names_nobody_who_lives(target: LocalTarget) -> None:
    workload, engine = workload_of(target), target.engine()
    files = ProgramFiles(target.settings)
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
    (program,) = files.wished()
    path = Path(files.layout.record_file(program.name))
    before = json.loads(await asyncio.to_thread(path.read_text))
    await target.down()
    after = json.dumps(before | _living() | {"boot": "another"})
    await asyncio.to_thread(path.write_text, after)
    files.withdraw(program)
    await target.up()

    async with observing(engine) as seen:
        await engine.remove(workload.ref)

        assert seen.states(workload) == {}
        assert not files.withdrawn()


def _living() -> dict[str, int]:
    """Return what a record says of a launcher and a supervisor, with ids that this process has now."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return {
        "launcher_pid": os.getpid(),
        "launcher_ticks": ticks,
        "supervisor_pid": os.getpid(),
        "supervisor_ticks": ticks,
    }


async def _is(target: LocalTarget, program: Program, state: str) -> bool:
    return await state_of(target, program) == state
