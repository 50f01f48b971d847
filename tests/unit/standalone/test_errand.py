"""A command that is run once during a start."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from slipway_standalone import errand
from slipway_standalone.errors import StartError


async def run(folder: Path, program: str, *, longest_seconds: float = 60.0) -> None:
    (folder / "errands_of_a_test.py").write_text(program)
    await errand.run(
        "tables",
        "errands_of_a_test",
        environment={"PYTHONPATH": str(folder), "PATH": os.defpath},
        folder=folder,
        longest_seconds=longest_seconds,
        tell=lambda _: None,
    )


async def test_one_that_ends_well_says_nothing(tmp_path: Path) -> None:
    await run(tmp_path, "open('done', 'w')")

    assert (tmp_path / "done").exists()


async def test_one_that_fails_is_told_with_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="errands_of_a_test ended with exit code 3") as failed:
        await run(tmp_path, "print('no table'); raise SystemExit(3)")

    assert failed.value.log == ("no table",)


async def test_one_that_hangs_is_killed_and_told(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"errands_of_a_test has not ended after 0\.01 min") as failed:
        await run(tmp_path, "import time; time.sleep(600)", longest_seconds=0.6)

    assert "slipway up --patience" in failed.value.remedy
    assert tmp_path not in folders_of_processes()


def folders_of_processes() -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            yield (process / "cwd").readlink()
