"""Runs a child process whose lines are heard while it runs and which never outlives the builder.

It decides nothing about what a failure means: the caller gets the exit code.
"""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_LINE_END: Final = re.compile(rb"[\r\n]+")
_ESCAPE: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")
_MAX_LINE_BYTES: Final = 8192


async def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
) -> int:
    """Run to the end and return the exit code; a negative one is the signal that ended it.

    `on_line` gets each line of stdout and stderr, in order, without colour codes. When the caller is
    cancelled the whole process group is killed at once and is gone when this returns.

    Raises:
        OSError: the program cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=_begin(),
    )
    try:
        if process.stdout is not None:
            await _read_lines(process.stdout, on_line)
        return await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.returncode is None:
            await asyncio.shield(process.wait())


def clean(text: str) -> str:
    """Return the text without colour codes and control characters."""
    return _ESCAPE.sub("", text).rstrip()


async def _read_lines(stream: asyncio.StreamReader, on_line: Callable[[str], None]) -> None:
    rest = b""
    while chunk := await stream.read(1 << 16):
        *lines, rest = _LINE_END.split(rest + chunk)
        if len(rest) > _MAX_LINE_BYTES:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _emit(line, on_line)
    _emit(rest, on_line)


def _emit(line: bytes, on_line: Callable[[str], None]) -> None:
    text = clean(line[:_MAX_LINE_BYTES].decode(errors="replace"))
    if text:
        on_line(text)


def _begin() -> Callable[[], None]:
    """Return what gives the child a process group of its own and, on Linux, its death with the builder.

    Not a session: the child would get as much of the processor as all of the platform, see "The autogroup
    feature" of sched(7). The signal comes with the death of the thread that forked, so children must be
    started from the event loop's thread, which lives as long as the process. See prctl(2).
    """
    if sys.platform != "linux":
        return os.setpgrp
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def begin() -> None:
        os.setpgrp()
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return begin
