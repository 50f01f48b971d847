"""A log, a blob store, and whatever builders a test starts on them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from eventually import eventually
from servers import NatsServer, clean_environment
from slipway_builder.builds import Builds
from slipway_builder.main import build as serve
from slipway_builder.main import make_builds
from slipway_builder.settings import BuilderSettings
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing, Stored
from slipway_chassis.jetstream_api import call
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.telemetry import Telemetry
from slipway_contracts.commands import Build, CancelBuild, RemoveVersions
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import BuildSucceeded, OperationFailed
from slipway_contracts.failure import FailureRecord
from slipway_contracts.subjects import of
from slipway_contracts.topology import BUILDER, LOG, ConsumerSpec
from slipway_contracts.version import Version

Upload = Callable[[Mapping[str, str | bytes]], Awaitable[str]]
MANIFEST = "endpoints:\n  - name: greet\n    server-command: python greet.py $PORT\n"
APP = {"slipway.yaml": MANIFEST, "greet.py": "print('hello')\n"}
EVENTS = "slipway.default.digits.evt.>"


@dataclass(frozen=True)
class SilentIndex:
    """A server that takes requests and never answers; `asked` is set by the first."""

    wheel: str
    asked: asyncio.Event


@dataclass(frozen=True)
class GatedIndex:
    """A server that holds its answers, a tiny wheel, back until `open` is set."""

    wheel: str
    asked: asyncio.Event
    open: asyncio.Event


class BuilderWorld:
    """A log, a blob store and whatever builders a test starts on them."""

    def __init__(self, *, nats: NatsServer, connection: Connection, log: EventLog, folder: Path) -> None:
        self.nats = nats
        self.connection = connection
        self.log = log
        self.folder = folder

    @property
    def settings(self) -> BuilderSettings:
        return BuilderSettings(
            nats_url=self.nats.url, blob_root=self.folder / "blobs", work_dir=self.folder / "builder"
        )

    def service(self, **settings: Any) -> Service[BuilderSettings]:
        metrics = Metrics(service="builder")
        return Service(
            name="builder",
            settings=self.settings.model_copy(update=settings),
            connection=self.connection,
            log=self.log,
            telemetry=Telemetry(),
            metrics=metrics,
            probes=Probes(metrics=metrics),
            stopping=asyncio.Event(),
        )

    @asynccontextmanager
    async def builder(self, **settings: Any) -> AsyncIterator[None]:
        """Run a builder in this process."""
        service = self.service(**settings)
        task = asyncio.create_task(serve(service))
        try:
            yield
        finally:
            service.stopping.set()
            await task

    @asynccontextmanager
    async def builder_process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run a builder in a process of its own, to be killed."""
        environment = clean_environment(
            SLIPWAY_NATS_URL=self.nats.url,
            SLIPWAY_BLOB_ROOT=str(self.folder / "blobs"),
            SLIPWAY_WORK_DIR=str(self.folder / "builder"),
        )
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "slipway_builder.main"),
            env=environment,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    @asynccontextmanager
    async def builds(self) -> AsyncIterator[Builds]:
        """What handles build commands, without the consumer that delivers them."""
        with make_builds(self.service()) as builds:
            yield builds

    async def ask(self, source: str, **fields: Any) -> Stored:
        deadline = now() + timedelta(minutes=5)
        command = Build(
            group="default",
            deployment="digits",
            by="ada",
            request_digest="x",
            source=source,
            deadline_at=deadline,
        ).model_copy(update=fields)
        return await self.send(command)

    async def cancel(self, build: str) -> Stored:
        command = CancelBuild(group="default", deployment="digits", by="ada", request_digest="x", build=build)
        return await self.send(command)

    async def send(self, command: Build | CancelBuild | RemoveVersions) -> Stored:
        envelope = Envelope(
            id=new_id(),
            type=command.type,
            source="/slipway/api",
            subject=f"{command.group}/{command.deployment}",
            time=now(),
        )
        receipt = await self.log.publish(Outgoing(subject=of(command), message=command, envelope=envelope))
        stored = await self.log.get(receipt.sequence)
        assert stored is not None
        return stored

    async def told(self) -> list[Stored]:
        return [stored async for stored in self.log.read(EVENTS, after=0) if stored.headers]

    async def types(self) -> list[str]:
        return [stored.envelope.type for stored in await self.told()]

    async def operation(self, asked: Stored, *, within: float = 20) -> str:
        """Wait for the end of the operation and return how it ended."""

        async def ended() -> str | None:
            for stored in await self.told():
                noun, verb, _ = stored.envelope.type.split(".")
                operation = getattr(stored.message, "operation", None)
                if noun == "operation" and verb != "started" and operation == asked.envelope.id:
                    return verb
            return None

        return str(await eventually(ended, within))

    async def failure(self, asked: Stored) -> FailureRecord:
        assert await self.operation(asked) == "failed"
        found = [
            stored.message.failure
            for stored in await self.told()
            if isinstance(stored.message, OperationFailed) and stored.message.operation == asked.envelope.id
        ]
        assert len(found) == 1
        return found[0]

    async def versions(self) -> list[Version]:
        return [
            each.message.version for each in await self.told() if isinstance(each.message, BuildSucceeded)
        ]

    async def everything_is_answered(self, spec: ConsumerSpec = BUILDER) -> bool:
        info = await call(self.connection, f"CONSUMER.INFO.{spec.stream}.{spec.durable}", within=5)
        return bool(info["num_pending"] == 0 and info["num_ack_pending"] == 0)

    async def shorten_ack_wait(self, seconds: float) -> None:
        info = await call(self.connection, f"CONSUMER.INFO.{LOG.name}.{BUILDER.durable}", within=5)
        config = info["config"] | {"ack_wait": int(seconds * 1e9)}
        request = {"stream_name": LOG.name, "config": config, "action": "update"}
        await call(self.connection, f"CONSUMER.CREATE.{LOG.name}.{BUILDER.durable}", request, within=5)


def waiting_for(index: SilentIndex | GatedIndex) -> dict[str, str]:
    """Return a source whose build asks this index for a wheel."""
    return APP | {"slipway.yaml": f"{MANIFEST}requirements: ['{index.wheel}']\n"}


def command_of(asked: Stored) -> Build:
    assert isinstance(asked.message, Build)
    return asked.message


async def run(builds: Builds, asked: Stored) -> None:
    """Handle a build command as its consumer would."""
    await builds.run(command_of(asked), asked)
