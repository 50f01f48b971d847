"""A build that fails for no reason of its own comes again and again, and keeps no other from being made."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from eventually import eventually
from servers import NatsServer
from slipway_builder.main import build as serve
from slipway_builder.settings import BuilderSettings
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.jetstream_api import publish
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.telemetry import Telemetry
from slipway_contracts.commands import Build
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.subjects import build_ends, of

Upload = Callable[[Mapping[str, str | bytes]], Awaitable[str]]
MANIFEST = "endpoints:\n  - name: greet\n    server-command: python greet.py $PORT\n"


@asynccontextmanager
async def builder(nats: NatsServer, connection: Connection, folder: Path) -> AsyncIterator[None]:
    """Run a builder that makes one build at a time."""
    metrics = Metrics(service="builder")
    service = Service(
        name="builder",
        settings=BuilderSettings(
            nats_url=nats.url, blob_root=folder / "blobs", work_dir=folder / "builder", max_builds=1
        ),
        connection=connection,
        log=EventLog(connection=connection),
        telemetry=Telemetry(),
        metrics=metrics,
        probes=Probes(metrics=metrics),
        stopping=asyncio.Event(),
    )
    task = asyncio.create_task(serve(service))
    try:
        yield
    finally:
        service.stopping.set()
        await task


async def ask(log: EventLog, deployment: str, source: str) -> None:
    command = Build(
        group="default",
        deployment=deployment,
        by="ada",
        request_digest="d",
        source=source,
        deadline_at=now() + timedelta(minutes=2),
    )
    envelope = Envelope(
        id=new_id(), type=command.type, source="/test", subject=f"default/{deployment}", time=now()
    )
    await log.publish(Outgoing(subject=of(command), message=command, envelope=envelope))


async def poison(log: EventLog, deployment: str) -> None:
    envelope = Envelope(
        id=new_id(), type="command.build.v1", source="/test", subject=f"default/{deployment}", time=now()
    )
    subject = f"slipway.default.{deployment}.cmd.builder.build"
    await publish(log._connection, subject, b"\xff", headers=envelope.to_headers(), within=5)


async def positions(log: EventLog, subject: str) -> list[int]:
    return [stored.sequence async for stored in log.read(subject, after=0)]


async def test_a_build_that_cannot_be_handled_delays_no_other(
    provisioned_nats: NatsServer, connection: Connection, log: EventLog, upload: Upload, tmp_path: Path
) -> None:
    sources = [await upload({"slipway.yaml": MANIFEST, "greet.py": name}) for name in ("sick", "well")]
    (blob,) = (tmp_path / "blobs").rglob(sources[0].removeprefix("sha256:"))
    aside = blob.rename(tmp_path / "aside")
    blob.mkdir()
    await ask(log, "sick", sources[0])
    for _ in range(20):
        await poison(log, "unreadable")
    await ask(log, "well", sources[1])

    async with builder(provisioned_nats, connection, tmp_path):
        (made,) = await eventually(lambda: positions(log, build_ends("default", "well")[0]), 30)
        ended = [await positions(log, subject) for subject in build_ends("default", "sick")]
        blob.rmdir()
        aside.rename(blob)
        (made_later,) = await eventually(lambda: positions(log, build_ends("default", "sick")[0]), 40)

    assert ended == [[], [], []], "it still comes again"
    assert (await positions(log, "slipway.default.sick.evt.build.started"))[0] < made < made_later
    dead = await positions(log, "slipway.default.unreadable.evt.message.dead")
    failed = await positions(log, "slipway.default.unreadable.evt.build.failed")
    assert len(dead) == len(failed) == 20
    assert max(dead) < made
