"""What a crash left half done, and what somebody else did, on a real supervisord."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from contract.engines.apps import SERVER, ask
from contract.engines.local_target import CONFIG, LocalTarget
from contract.engines.sightings import observing
from contract.engines.target import begins, ref_of, shell_command, workload_of
from eventually import eventually
from integration.engines.written_wishes import written_down
from pydantic import SecretStr
from slipway_contracts.replica import ReplicaState
from slipway_engines.engine import START, WorkloadUnknown
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.select import make_engine
from slipway_engines.supervisor.adapter import SupervisorEngine
from slipway_engines.supervisor.image_plan import plan_image
from slipway_engines.supervisor.launcher.ports import any_free
from slipway_engines.supervisor.program_files import ProgramFiles
from slipway_engines.supervisor.rpc import BAD_NAME, Call, Fault, SupervisorClient


async def test_a_wish_that_was_only_written_down_is_finished_by_a_repeat(target: LocalTarget) -> None:
    workload = workload_of(target)
    engine = target.engine()
    await written_down(target, workload)
    async with observing(engine) as seen:
        await seen.until(workload, "0-1", ReplicaState.UNREADY)

        await engine.apply(workload)

        await seen.ready(workload)
        assert await begins(engine, workload, ["0-1"]) == 1


async def test_a_wish_that_was_only_written_down_is_taken_by_the_next_supervisord(
    target: LocalTarget,
) -> None:
    workload = workload_of(target)
    engine = target.engine()
    await written_down(target, workload)

    await target.down()
    await target.up()

    async with observing(engine) as seen:
        await seen.ready(workload)


async def test_a_replica_that_is_being_created_is_not_taken_for_a_withdrawn_one(target: LocalTarget) -> None:
    workload = workload_of(target)
    engine, files = target.engine(), ProgramFiles(target.settings)
    assert isinstance(engine, SupervisorEngine)
    async with files.lock():
        (program,) = files.create(workload, ["0-1"], plan_image(workload.image, target.shelf.path_of))
        wish = Path(files.layout.program_file(program.name))
        text = await asyncio.to_thread(wish.read_text)
        # The wish is written last; meanwhile another call has come to what it does behind the lock.
        await asyncio.to_thread(wish.unlink)
        ending = asyncio.create_task(engine._end_withdrawn())
        await asyncio.wait({ending}, timeout=1)
        await asyncio.to_thread(wish.write_text, text)
    await ending

    await engine.apply(workload)
    async with observing(engine) as seen:
        await seen.ready(workload)
    await engine.remove(workload.ref)

    await eventually(lambda: files.has_ended(program))


async def test_a_withdrawal_that_was_only_written_down_is_finished_by_any_wish(target: LocalTarget) -> None:
    workload = workload_of(target)
    other = workload_of(target, id="00000000000000bb", command=shell_command("exit 0"))
    engine = target.engine()
    files = ProgramFiles(target.settings)
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        for program in files.wished():
            files.withdraw(program)
        await seen.until(workload, "0-1", ReplicaState.UNREADY)

        await engine.apply(other)

        await seen.until(workload, "0-1", ReplicaState.GONE)


async def test_a_wish_whose_folder_alone_was_made_does_not_exist(target: LocalTarget) -> None:
    workload = workload_of(target)
    engine = target.engine()
    program = await written_down(target, workload)
    ProgramFiles(target.settings).withdraw(program)

    async with observing(engine) as seen:
        assert seen.states(workload) == {}
        await engine.apply(workload)

        await seen.ready(workload)


async def test_a_process_that_somebody_stopped_by_hand_is_started_again_by_the_next_wish(
    target: LocalTarget,
) -> None:
    workload = workload_of(target)
    engine = target.engine()
    program = await written_down(target, workload)
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        await target.client().call(Call("stopProcess", (program.name, True)))
        await seen.until(workload, "0-1", ReplicaState.UNREADY)

        await engine.apply(workload)

        await seen.ready(workload)


async def test_a_killed_launcher_is_an_exit_of_its_replica_and_the_next_attempt_starts(
    target: LocalTarget,
) -> None:
    workload = workload_of(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        (ready,) = (await seen.ready(workload)).values()
        files = ProgramFiles(target.settings)
        record = files.record(files.wished()[0])
        assert record is not None

        os.kill(record.launcher_pid, signal.SIGKILL)

        exited = await seen.until(workload, "0-1", ReplicaState.EXITED)
        assert (exited.signal, exited.exit_code, exited.pid) == ("SIGKILL", None, ready.pid)
        raised = workload.model_copy(update={"slots": (2,)})
        await engine.apply(raised)
        await seen.ready(raised)
        await seen.until(workload, "0-1", ReplicaState.GONE)
        assert len(target.processes()) == 1


async def test_programs_of_another_installation_are_not_touched_and_not_reported(
    target: LocalTarget,
) -> None:
    workload = workload_of(target)
    ours = target.engine()
    theirs = make_engine("supervisor", target.settings.model_copy(update={"installation": "other"}))
    async with observing(theirs) as seen:
        await theirs.apply(workload)
        (ready,) = (await seen.ready(workload)).values()

        await ours.remove(workload.ref)
        async with observing(ours) as seen_by_us:
            assert seen_by_us.states(workload) == {}

        assert (await ask(ready.address))["pid"] == ready.pid
        assert (await ours.capacity()).replicas == 0


async def test_a_program_of_ours_without_files_is_reported_and_left_alone(target: LocalTarget) -> None:
    name = "slipway-here-00000000000000aa-0-1-1"
    conf = Path(target.settings.folder) / "programs"
    conf.mkdir(parents=True, exist_ok=True)
    (conf / f"{name}.conf").write_text(f"[program:{name}]\ncommand=/bin/sleep 1000\n")
    client = target.client()
    await client.calls([Call("reloadConfig"), Call("addProcessGroup", (name,))])
    engine = target.engine()

    async with observing(engine) as seen:
        await eventually(lambda: any(isinstance(each, WorkloadUnknown) for each in seen.all))

        (unknown,) = {each.id for each in seen.all if isinstance(each, WorkloadUnknown)}
        assert unknown == name
        await engine.apply(workload_of(target, id="00000000000000bb"))
        assert (await client.call(Call("getProcessInfo", (name,))))["statename"] in ("STARTING", "RUNNING")


async def test_supervisord_forgets_removed_programs_and_old_files_are_deleted(target: LocalTarget) -> None:
    workload = workload_of(target)
    settings = target.settings.model_copy(update={"keep_ended": timedelta(0)})
    engine = make_engine("supervisor", settings)
    client = target.client()
    files = ProgramFiles(settings)
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        (program,) = files.wished()
        await engine.remove(workload.ref)
        await seen.until(workload, "0-1", ReplicaState.GONE)

        async def forgotten() -> bool:
            await engine.remove(workload.ref)
            info = await client.call(Call("getProcessInfo", (program.name,)))
            return isinstance(info, Fault) and info.code == BAD_NAME and not files.known()

        await eventually(forgotten)
        assert not any((Path(settings.folder) / "records").iterdir())


async def test_an_image_that_no_replica_uses_is_deleted_and_unpacked_again_when_needed(
    target: LocalTarget,
) -> None:
    used, unused = (
        workload_of(target, id=f"{number:016x}", image=target.shelf.image({"app/server.py": SERVER + word}))
        for number, word in enumerate(["", "pass"])
    )
    at_once = {"keep_ended": timedelta(0), "keep_images": timedelta(0)}
    engine = make_engine("supervisor", target.settings.model_copy(update=at_once))
    async with observing(engine) as seen:
        await engine.apply(used)
        await engine.apply(unused)
        await seen.ready(used)
        await seen.ready(unused)
        await engine.remove(unused.ref)
        await seen.until(unused, "0-1", ReplicaState.GONE)

        async def deleted() -> bool:
            await engine.remove(unused.ref)
            return _unpacked(target) == (1, 1)

        await eventually(deleted)
        (ready,) = (await seen.ready(used)).values()
        assert (await ask(ready.address))["pid"] == ready.pid
        await engine.apply(unused)
        await eventually(lambda: _unpacked(target) == (2, 2))
        await seen.ready(unused)


async def test_the_log_of_a_removed_replica_can_still_be_read(target: LocalTarget) -> None:
    workload = workload_of(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        await engine.remove(workload.ref)
        await seen.until(workload, "0-1", ReplicaState.GONE)

    lines = [line async for line in engine.logs(ref_of(workload, "0-1"), START)]

    assert lines[0].text.startswith("begin")


async def test_the_environment_of_a_removed_replica_does_not_stay_on_disk(target: LocalTarget) -> None:
    workload = workload_of(target, environment={"TOKEN": "canary-7f3a"})
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.ready(workload)
        assert _holding(target, "canary-7f3a")
        await engine.remove(workload.ref)
        await seen.until(workload, "0-1", ReplicaState.GONE)

        async def clean() -> bool:
            await engine.remove(workload.ref)
            return not _holding(target, "canary-7f3a")

        await eventually(clean)


async def test_many_wishes_at_once_get_ports_of_their_own(target: LocalTarget) -> None:
    image = target.shelf.image({"app/server.py": SERVER})
    workloads = [workload_of(target, id=f"{number:016x}", image=image) for number in range(8)]
    engines = [target.engine(), target.engine()]

    await asyncio.gather(*(engine.apply(each) for each in workloads for engine in engines))

    async with observing(engines[0]) as seen:
        ready = [(await seen.ready(each))["0-1"] for each in workloads]
        assert len({each.address for each in ready}) == 8
        for each in ready:
            assert (await ask(each.address))["pid"] == each.pid
    layers = [each for each in (Path(target.settings.folder) / "layers").iterdir() if each.is_dir()]
    assert len(layers) == 1


async def test_the_same_wish_from_several_processes_at_once_is_one_wish(target: LocalTarget) -> None:
    workload = workload_of(target, slots=(1,) * 6, command=shell_command("exit 0"))
    script = Path(__file__).with_name("apply_from_outside.py")
    settings = target.settings.model_dump(mode="json") | {"username": None, "password": None}
    go = target.folder / "go"
    arguments = (json.dumps(settings), workload.model_dump_json(), str(go))
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, str(script), *arguments), stdout=PIPE, stderr=DEVNULL
        )
        for _ in range(3)
    ]
    for each in processes:
        assert each.stdout is not None
        await each.stdout.readline()

    go.touch()
    await asyncio.gather(*(each.communicate() for each in processes))

    wished = ProgramFiles(target.settings).wished()
    assert sorted(each.replica for each in wished) == sorted(workload.replica_ids)


async def test_an_image_with_a_hostile_layer_is_a_problem_that_names_it(target: LocalTarget) -> None:
    workload = workload_of(target, image=target.shelf.image({"app/x": "1"}, {"../../evil": "1"}))
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)

        problem = await seen.problem(workload)

        assert "../../evil" in problem.message
        assert not list(target.folder.rglob("evil"))


async def test_a_port_that_another_process_answers_on_is_not_ready(target: LocalTarget) -> None:
    port = any_free()
    workload = workload_of(target, command=shell_command("sleep 1000"), fixed_port=port)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload)
        await seen.until(workload, "0-1", ReplicaState.STARTED)

        async with await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port):
            unready = await seen.until(workload, "0-1", ReplicaState.UNREADY)

        assert unready.detail == f"Another process listens on port {port}."
        assert unready.address == f"127.0.0.1:{port}"


async def test_a_supervisord_that_hangs_is_unavailable_in_bounded_time(target: LocalTarget) -> None:
    settings = target.settings
    client = SupervisorClient(
        socket=settings.socket, username="someone", password=settings.password, timeout_seconds=0.3
    )
    os.kill(target.pid, signal.SIGSTOP)
    try:
        with pytest.raises(EngineUnavailableError, match=r"no answer within 0\.3 s"):
            await client.call(Call("getPID"))
    finally:
        os.kill(target.pid, signal.SIGCONT)


async def test_a_wrong_password_is_named(target: LocalTarget) -> None:
    client = SupervisorClient(socket=target.settings.socket, username="someone", password=SecretStr("x"))

    with pytest.raises(EngineUnavailableError, match="401"):
        await client.call(Call("getPID"))


async def test_a_supervisord_that_does_not_read_our_files_is_named(target: LocalTarget) -> None:
    text = CONFIG.format(socket=target.settings.socket).replace("engine/programs", "elsewhere")
    (target.folder / "supervisord.conf").write_text(text)
    workload = workload_of(target)

    with pytest.raises(EngineUnavailableError, match=r"\[include\]"):
        await target.engine().apply(workload)


async def test_each_observation_and_log_gives_back_its_descriptors(target: LocalTarget) -> None:
    workload = workload_of(target)
    engine = target.engine()
    await engine.apply(workload)
    async with observing(engine) as seen:
        await seen.ready(workload)
    before = _descriptors()

    for _ in range(5):
        async with observing(engine) as seen:
            await begins(engine, workload, ["0-1"])

    await eventually(_same(before))


def _unpacked(target: LocalTarget) -> tuple[int, int]:
    """Return how many images and layers lie unpacked."""
    folders = (Path(target.settings.folder) / name for name in ("images", "layers"))
    images, layers = (sum(1 for each in folder.iterdir() if each.is_dir()) for folder in folders)
    return images, layers


def _holding(target: LocalTarget, word: str) -> list[Path]:
    """Return the files of the engine that hold a word; all of them are this user's alone."""
    folder = Path(target.settings.folder)
    found = [each for each in folder.rglob("*.json") if word in each.read_text()]
    assert all(each.stat().st_mode & 0o077 == 0 for each in found)
    return found


def _descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _same(count: int) -> Callable[[], bool]:
    return lambda: _descriptors() <= count
