"""Where a secret can be found while its replica runs, and after: nowhere but in memory, and then nowhere."""

import os
from pathlib import Path

import pytest
from contract.engines.local_target import LocalTarget
from contract.engines.secrets_contract import CANARY, confidential
from contract.engines.sightings import observing
from eventually import eventually
from slipway_contracts.replica import ReplicaState
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.select import make_engine
from slipway_engines.supervisor.image_plan import plan_image
from slipway_engines.supervisor.program_files import ProgramFiles


def holders_of(text: str, folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file() and text.encode() in each.read_bytes()]


def parent_of(pid: int) -> int:
    return int(proc(pid, "stat").rpartition(b")")[2].split()[1])


def proc(pid: int, name: str) -> bytes:
    return Path(f"/proc/{pid}/{name}").read_bytes()


def value_files(target: LocalTarget) -> list[Path]:
    return [each for each in target.memory.rglob("*") if each.is_file()]


async def test_no_file_on_a_disk_and_no_command_line_holds_a_secret(target: LocalTarget) -> None:
    workload = confidential(target)
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload, CANARY)
        (ready,) = (await seen.ready(workload)).values()

        assert ready.pid is not None
        launcher = parent_of(ready.pid)

        assert holders_of("canary-1", target.memory) == value_files(target)
        assert holders_of("canary-1", target.folder) == []
        assert b"canary" not in proc(launcher, "cmdline") + proc(launcher, "environ")
        assert b"canary" not in proc(ready.pid, "cmdline")


async def test_nothing_of_a_secret_is_left_when_its_workload_is_removed(target: LocalTarget) -> None:
    workload = confidential(target, slots=(1, 1))
    engine = target.engine()
    async with observing(engine) as seen:
        await engine.apply(workload, CANARY)
        await seen.ready(workload)
        assert len(value_files(target)) == 2

        await engine.apply(workload.model_copy(update={"slots": (2,)}), CANARY)
        await eventually(lambda: len(value_files(target)) == 1)
        await engine.remove(workload.ref)

        assert value_files(target) == []
        await seen.until(workload, "0-2", ReplicaState.GONE)


async def test_what_a_crash_left_of_a_wish_is_forgotten_with_the_next_removal(target: LocalTarget) -> None:
    workload = confidential(target)
    files = ProgramFiles(target.settings)
    async with files.lock():
        (program,) = files.create(
            workload, ["0-1"], plan_image(workload.image, target.shelf.path_of), {"CANARY": "x"}
        )
        os.unlink(files.layout.program_file(program.name))  # noqa: PTH108 - as a crash would leave it

    await target.engine().remove(workload.model_copy(update={"id": "00000000000000bb"}).ref)

    assert value_files(target) == []


async def test_without_a_place_in_memory_the_wish_is_refused_and_nothing_is_written(
    target: LocalTarget, tmp_path: Path
) -> None:
    workload = confidential(target)
    settings = target.settings.model_copy(update={"runtime_folder": tmp_path})

    with pytest.raises(EngineUnavailableError, match="mount a tmpfs"):
        await make_engine("supervisor", settings).apply(workload, CANARY)

    assert holders_of("canary-1", tmp_path) == []
    assert ProgramFiles(target.settings).wished() == []
