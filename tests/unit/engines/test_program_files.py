"""Writing down the wishes for many replicas at once."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from contract.engines.images import ImageShelf
from contract.engines.target import shell_command
from eventually import eventually
from slipway_contracts.workload import ReplicaRef, Workload
from slipway_engines.errors import TargetFullError
from slipway_engines.supervisor.adapter import SupervisorEngine
from slipway_engines.supervisor.program_files import ProgramFiles
from slipway_engines.supervisor.settings import SupervisorSettings

MANY = 300
_counted: list[list[str]] = []


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if _counted and event in {"open", "os.listdir", "os.scandir"}:
        _counted[-1].append(str(arguments[0]))


@contextmanager
def opened() -> Iterator[list[str]]:
    """Yield the paths that are opened and listed while the body runs."""
    # There is no way to take an audit hook away.
    if not hasattr(opened, "hooked"):
        sys.addaudithook(_count)
        opened.hooked = True  # type: ignore[attr-defined]
    _counted.append([])
    try:
        yield _counted[-1]
    finally:
        _counted.pop()


@pytest.fixture
def settings(tmp_path: Path) -> SupervisorSettings:
    return SupervisorSettings(
        installation="here",
        folder=tmp_path / "engine",
        socket=tmp_path / "none.sock",
        blob_root=tmp_path / "blobs",
    )


def make_workload(tmp_path: Path, replicas: int) -> Workload:
    return Workload(
        id="00000000000000aa",
        group="default",
        deployment="digits",
        endpoint="predict",
        target="here",
        image=ImageShelf(tmp_path / "blobs").image({"app/x": ""}),
        command=shell_command("exit 0"),
        slots=(1,) * replicas,
    )


async def test_as_many_replicas_as_wished_for_get_a_port_each(
    settings: SupervisorSettings, tmp_path: Path
) -> None:
    files = ProgramFiles(settings)
    workload = make_workload(tmp_path, 40)
    async with files.lock():
        first = files.create(workload, workload.replica_ids[:20], {})
        rest = files.create(workload, workload.replica_ids[20:], {})

    configs = [files.config(each) for each in files.wished()]

    assert files.wished() == sorted(first + rest)
    assert len({config.port for config in configs if config}) == 40


async def test_a_replica_that_is_wished_for_again_has_a_later_run(
    settings: SupervisorSettings, tmp_path: Path
) -> None:
    files = ProgramFiles(settings)
    workload = make_workload(tmp_path, 1)
    async with files.lock():
        runs = [files.create(workload, ["0-1"], {})[0] for _ in range(3)]

    assert runs == sorted(runs)
    assert len({each.name for each in runs}) == 3
    assert files.newest(ReplicaRef(workload=workload.ref, id="0-1")) == runs[-1]


async def test_ports_are_refused_once_all_are_held(settings: SupervisorSettings, tmp_path: Path) -> None:
    files = ProgramFiles(settings.model_copy(update={"last_port": settings.first_port + 2}))
    workload = make_workload(tmp_path, 4)

    async with files.lock():
        with pytest.raises(TargetFullError, match="end some replicas"):
            files.create(workload, workload.replica_ids, {})


async def test_a_replica_costs_no_look_at_the_others(settings: SupervisorSettings, tmp_path: Path) -> None:
    files = ProgramFiles(settings)
    workload = make_workload(tmp_path, 60)
    async with files.lock():
        files.create(workload, workload.replica_ids[:20], {})

        with opened() as paths:
            files.create(workload, workload.replica_ids[20:], {})

    assert len([path for path in paths if path.endswith("/launch.json")]) <= 20
    assert len([path for path in paths if path.endswith(("/programs", "/replicas"))]) <= 4


async def test_a_wish_that_is_cancelled_keeps_the_lock_until_it_is_written_down(
    settings: SupervisorSettings, tmp_path: Path
) -> None:
    files = ProgramFiles(settings)
    applying = asyncio.create_task(SupervisorEngine(settings=settings).apply(make_workload(tmp_path, MANY)))

    await eventually(files.wished, every=0)
    written = len(files.wished())
    applying.cancel()
    async with files.lock():
        wished = len(files.wished())

    # Others could work while it was written.
    assert 0 < written < MANY
    assert wished == MANY
    with pytest.raises(asyncio.CancelledError):
        await applying
