"""Child processes: their lines, and that they end with whoever started them."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from eventually import eventually
from slipway_builder.installing.processes import run

SHELL = "/bin/sh"


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def run_shell(script: str, folder: Path, lines: list[str]) -> int:
    return await run(
        [SHELL, "-c", script], cwd=folder, env={"PATH": os.environ["PATH"]}, on_line=lines.append
    )


async def test_lines_of_both_streams_come_in_order_and_without_colours(tmp_path: Path) -> None:
    lines: list[str] = []

    code = await run_shell(
        "echo one; echo two >&2; printf '\\033[31mred\\033[0m\\r50%%\\r100%%\\nlast'; exit 3", tmp_path, lines
    )

    assert (code, lines) == (3, ["one", "two", "red", "50%", "100%", "last"])


async def test_a_line_without_end_is_cut_and_not_kept_in_memory(tmp_path: Path) -> None:
    lines: list[str] = []

    await run_shell("head -c 1000000 /dev/zero | tr '\\0' x", tmp_path, lines)

    assert max(map(len, lines)) <= 8192


async def test_lines_are_heard_while_the_process_runs(tmp_path: Path) -> None:
    lines: list[str] = []

    running = asyncio.create_task(run_shell("mkfifo fifo; echo early; cat fifo", tmp_path, lines))
    await eventually(lambda: lines == ["early"])

    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_cancelling_kills_the_whole_group_before_it_returns(tmp_path: Path) -> None:
    lines: list[str] = []
    running = asyncio.create_task(
        run_shell("trap '' TERM; sleep 1000 & echo $!; echo $$; wait; sleep 1000", tmp_path, lines)
    )
    await eventually(lambda: len(lines) == 2)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    await eventually(lambda: not any(alive(int(pid)) for pid in lines))


async def test_what_a_process_left_behind_is_ended_too(tmp_path: Path) -> None:
    lines: list[str] = []

    await run_shell("sleep 1000 >/dev/null 2>&1 & echo $!", tmp_path, lines)

    await eventually(lambda: not alive(int(lines[0])))


async def test_a_child_dies_with_a_builder_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio, os
from pathlib import Path
from slipway_builder.installing.processes import run
asyncio.run(run(["{SHELL}", "-c", "echo $$; exec sleep 1000"], cwd=Path("{tmp_path}"), env=dict(os.environ),
    on_line=lambda line: print(line, flush=True)))
"""
    builder = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    assert builder.stdout is not None
    child = int(await builder.stdout.readline())
    assert alive(child)

    builder.send_signal(signal.SIGKILL)
    await builder.wait()

    await eventually(lambda: not alive(child))


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await run(["/no/such/program"], cwd=tmp_path, env={}, on_line=lambda _: None)
