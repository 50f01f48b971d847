"""Keeps the cache of downloaded packages from growing without bound. Never fails a build, or the builder."""

import asyncio
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from slipway_chassis.logs import get_logger
from uv import find_uv_bin

from slipway_builder.installing.dependencies import build_environment
from slipway_builder.installing.processes import run

_FIRST_AFTER: Final = timedelta(minutes=1)
_log: Final = get_logger()


@dataclass(frozen=True, kw_only=True)
class PackageCache:
    """The cache that all builds of this machine share; uv itself keeps those who use it apart.

    Attributes:
        folder: where it lies.
        most_bytes: what it may hold after a look; a build may use more in between.
    """

    folder: Path
    most_bytes: int

    async def forever(self, *, every: timedelta) -> None:
        """Look again and again, until cancelled."""
        await asyncio.sleep(min(every, _FIRST_AFTER).total_seconds())
        while True:
            try:
                await self.tidy()
            except OSError as error:
                _log.warning("the cache of packages is left as it is", problem=str(error))
            await asyncio.sleep(every.total_seconds())

    async def tidy(self) -> None:
        """Where it is too large, remove what is out of date; where that does not help, all of it.

        uv waits until no build uses the cache, and builds that begin meanwhile wait for it.
        """
        for command in ("prune", "clean"):
            size = await asyncio.to_thread(_size_of, self.folder)
            if size <= self.most_bytes:
                return
            _log.info("the cache of packages is too large", bytes=size, most=self.most_bytes, command=command)
            await self._uv("cache", command)

    async def _uv(self, *arguments: str) -> None:
        environment = build_environment(self.folder) | {"UV_CACHE_DIR": str(self.folder)}
        lines: list[str] = []
        code = await run(
            [find_uv_bin(), *arguments, "--color", "never"],
            cwd=self.folder.parent,
            env=environment,
            on_line=lines.append,
        )
        if code != 0:
            _log.warning("the cache of packages could not be made smaller", exit_code=code, output=lines[-3:])


def _size_of(folder: Path) -> int:
    """Return the bytes of all files; one of several links counts each time, one that goes meanwhile not."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.lstat(f"{place}/{name}").st_size
    return total
