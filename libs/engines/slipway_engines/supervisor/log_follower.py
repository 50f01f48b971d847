"""Follows a replica's log until the replica has ended and everything was read."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final

from slipway_contracts.workload import ReplicaRef

from slipway_engines.engine import LogLine, Position
from slipway_engines.supervisor.file_watch import IN_CREATE, IN_MODIFY, IN_MOVED_TO, FileWatch
from slipway_engines.supervisor.log_reader import LogReader, Place
from slipway_engines.supervisor.program_files import Program, ProgramFiles
from slipway_engines.supervisor.standing import is_final, standing

_LOOK_AGAIN_SECONDS: Final = 5.0
_LOOK_OFTEN_SECONDS: Final = 0.25


async def follow(
    files: ProgramFiles, watch: FileWatch, replica: ReplicaRef, since: Position
) -> AsyncGenerator[LogLine]:
    """Yield the lines after `since`, oldest first; ends at once for a replica that is not known."""
    program = files.newest(replica)
    if program is None:
        return
    folder = files.layout.replica_folder(program.name)
    reader = LogReader(folder, Place.parse(since, run=program.run))
    changed = asyncio.Event()
    with (
        watch.watching(folder, IN_MODIFY | IN_CREATE, lambda _: changed.set()) as told,
        watch.watching(files.layout.records, IN_MOVED_TO, lambda _: changed.set()),
    ):
        try:
            while True:
                changed.clear()
                over = _is_over(files, program)
                lines = reader.read()
                for line in lines:
                    yield line
                if over and not lines:
                    return
                if not lines:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(_LOOK_AGAIN_SECONDS if told else _LOOK_OFTEN_SECONDS):
                            await changed.wait()
        finally:
            reader.close()


def _is_over(files: ProgramFiles, program: Program) -> bool:
    return is_final(standing(files.record(program), wished=files.is_wished(program)))
