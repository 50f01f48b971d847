"""An operator who looks after the log of a test: snapshots, truncations, and what is left of it."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from log_script import Script, make_failure
from log_walk import Walk
from memory_projection import read_log
from projector_stand import Stand
from servers import NatsServer, clean_environment
from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_contracts import subjects
from slipway_contracts.events import BuildFailed, OperationFailed
from slipway_contracts.lifecycle import BUILD_MOVES, OPERATION_MOVES, BuildState, OperationState
from slipway_contracts.topology import CONSUMERS, LOG
from slipway_projector.logged import Logged
from slipway_projector.rebuilds.rebuilding import rebuilt

BESIDE: Final = "beside"
_WITHIN: Final = 5.0


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    error: str


@dataclass
class Keeper:
    """The operator's shell. `everything` is what the log ever held, as far as `remember` saw it."""

    stand: Stand
    nats: NatsServer
    connection: Connection
    folder: Path
    everything: dict[int, Logged] = field(default_factory=dict)

    @property
    def log(self) -> EventLog:
        return self.stand.log

    @property
    def blobs(self) -> FilesystemBlobStore:
        return FilesystemBlobStore(self.folder)

    async def say(self, script: Script) -> int:
        """Write what a script has to say, let the tables have it, and remember the log."""
        end = await script.write(self.log)
        await self.stand.reached(end)
        await self.remember()
        return end

    async def remember(self) -> None:
        for logged in await read_log(self.log):
            self.everything[logged.sequence] = logged

    @property
    def history(self) -> Sequence[Logged]:
        return [self.everything[sequence] for sequence in sorted(self.everything)]

    async def start(self, *arguments: str, wrapper: Sequence[str] = ()) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(*wrapper, sys.executable, "-m", "slipway_projector.log_command", *arguments),
            env=clean_environment(
                SLIPWAY_NATS_URL=self.nats.url,
                SLIPWAY_DATABASE_URL=self.stand.url,
                SLIPWAY_BLOB_ROOT=str(self.folder),
            ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, wrapper: Sequence[str] = ()) -> Ran:
        process = await self.start(*arguments, wrapper=wrapper)
        out, error = await process.communicate()
        return Ran(process.returncode or 0, out.decode(), error.decode())

    async def truncate(self, before: object, *, yes: bool = True) -> Ran:
        ran = await self.run("truncate", "--before", str(before), *(("--yes",) if yes else ()))
        await self.remember()
        return ran

    async def remember_ids_for(self, seconds: float) -> None:
        """Let the server know a message again by its id for so long."""
        info = await call(self.connection, f"STREAM.INFO.{LOG.name}", within=_WITHIN)
        config = info["config"] | {"duplicate_window": int(seconds * 1e9)}
        await call(self.connection, f"STREAM.UPDATE.{LOG.name}", config, within=_WITHIN)

    async def forget_durables(self) -> None:
        """Let nobody wait for anything: no service runs here that would take it."""
        for spec in CONSUMERS:
            await call(self.connection, f"CONSUMER.DELETE.{LOG.name}.{spec.durable}", within=_WITHIN)

    async def differences(self) -> list[object]:
        async with rebuilt(self.log, self.stand.url, schema=BESIDE, blobs=self.blobs) as rebuild:
            return list(await rebuild.differences())

    async def rebuild(self) -> None:
        async with rebuilt(self.log, self.stand.url, schema=BESIDE, blobs=self.blobs) as rebuild:
            await rebuild.swap()

    async def sequences(self) -> list[int]:
        return [logged.sequence for logged in await read_log(self.log)]

    async def lasts(self) -> Mapping[str, int]:
        """Return the last sequence of every subject, but for what the operator says."""
        found = await self.log.last_per_subject(subjects.ALL)
        return {each.subject: each.sequence for each in found if ".evt.log." not in each.subject}


class EndingWalk(Walk):
    """A walk that can bring everything to an end that it began."""

    def end(self) -> None:
        for deployment, operations in self._operations.items():
            self.deployment = deployment
            for operation, state in operations.items():
                if OPERATION_MOVES[state]:
                    self.say(OperationFailed(**self.owner, operation=operation, failure=make_failure()))
                    operations[operation] = OperationState.FAILED
        for deployment, builds in self._builds.items():
            self.deployment = deployment
            for build, begun in builds.items():
                if BUILD_MOVES[begun]:
                    self.say(BuildFailed(**self.owner, build=build, failure=make_failure()))
                    builds[build] = BuildState.FAILED
