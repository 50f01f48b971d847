"""Runs a command of the platform once, as the one that makes the tables, and gives it up when it hangs."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from slipway_standalone import last_words
from slipway_standalone.errors import StartError

_TOLD_AFTER_SECONDS: Final = 10.0
_CHUNK: Final = 1 << 16


async def run(
    name: str,
    module: str,
    *,
    environment: Mapping[str, str],
    folder: Path,
    longest_seconds: float,
    tell: Callable[[str], None],
) -> None:
    """Run a module until it has ended well; it is killed when that takes too long or is given up.

    Args:
        name: what the user knows it by.
        module: with a `main`.
        environment: all that it gets.
        folder: where it runs.
        longest_seconds: how long it may take.
        tell: shows the user a line, where it takes a while.

    Raises:
        StartError: It failed, or took too long; with its last lines.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module),
        env=dict(environment),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = bytearray()
    telling = asyncio.get_running_loop().call_later(_TOLD_AFTER_SECONDS, tell, f"Waits for {name}.")
    try:
        async with asyncio.timeout(longest_seconds):
            await _ended(process, said)
    except TimeoutError:
        raise StartError(
            f"{module} has not ended after {longest_seconds / 60:g} min.",
            remedy="If it only needs longer: `slipway up --patience` with more minutes.",
            log=_last(said),
        ) from None
    finally:
        telling.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise StartError(
            f"{module} ended with exit code {process.returncode}.",
            remedy="`slipway up` may be repeated.",
            log=_last(said),
        )


async def _ended(process: asyncio.subprocess.Process, said: bytearray) -> None:
    while process.stdout is not None and (chunk := await process.stdout.read(_CHUNK)):
        said += chunk
    await process.wait()


def _last(said: bytearray) -> list[str]:
    return said.decode(errors="replace").splitlines()[-last_words.LINES :]
