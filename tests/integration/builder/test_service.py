"""The builder as a process: commands from a real log, events back, whatever dies in between."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from child_processes import children
from eventually import eventually
from servers import NatsServer, clean_environment
from slipway_builder.builds import Builds
from slipway_builder.endings import failed
from slipway_builder.failures import overdue
from slipway_builder.main import build as serve
from slipway_builder.main import make_builds
from slipway_builder.settings import BuilderSettings
from slipway_builder.sweep import Sweep
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing, Stored
from slipway_chassis.jetstream_api import call
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.telemetry import Telemetry
from slipway_contracts.commands import Build, CancelBuild, RemoveVersions
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import BuildFailed, BuildStarted, BuildSucceeded, MessageDead, OperationFailed
from slipway_contracts.failure import FailureRecord, Reason
from slipway_contracts.log_lines import LogLines
from slipway_contracts.subjects import build_log, of
from slipway_contracts.topology import BUILDER, LOG, LOG_LINES
from slipway_contracts.version import Version

Upload = Callable[[Mapping[str, str | bytes]], Awaitable[str]]
MANIFEST = "endpoints:\n  - name: greet\n    server-command: python greet.py $PORT\n"
APP = {"slipway.yaml": MANIFEST, "greet.py": "print('hello')\n"}
EVENTS = "slipway.default.digits.evt.>"


class World:
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
            id=new_id(), type=command.type, source="/slipway/api", subject="default/digits", time=now()
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

    async def everything_is_answered(self) -> bool:
        info = await call(self.connection, f"CONSUMER.INFO.{LOG.name}.{BUILDER.durable}", within=5)
        return bool(info["num_pending"] == 0 and info["num_ack_pending"] == 0)

    async def shorten_ack_wait(self, seconds: float) -> None:
        info = await call(self.connection, f"CONSUMER.INFO.{LOG.name}.{BUILDER.durable}", within=5)
        config = info["config"] | {"ack_wait": int(seconds * 1e9)}
        request = {"stream_name": LOG.name, "config": config, "action": "update"}
        await call(self.connection, f"CONSUMER.CREATE.{LOG.name}.{BUILDER.durable}", request, within=5)


@pytest.fixture
def world(fresh_nats: NatsServer, connection: Connection, log: EventLog, tmp_path: Path) -> World:
    return World(nats=fresh_nats, connection=connection, log=log, folder=tmp_path)


def hanging(silent_index: Any) -> dict[str, str]:
    return APP | {"slipway.yaml": f"{MANIFEST}requirements: ['{silent_index.wheel}']\n"}


async def test_a_build_ends_with_its_version_and_its_operation(world: World, upload: Upload) -> None:
    source = await upload(APP)

    async with world.builder():
        asked = await world.ask(source)
        assert await world.operation(asked) == "succeeded"

    (version,) = await world.versions()
    assert (version.id, version.build, version.source) == (asked.envelope.id, asked.envelope.id, source)
    assert (version.group, version.deployment, version.created_by) == ("default", "digits", "ada")
    assert version.label == f"{datetime.now(UTC):%Y%m%d}.1"
    types = await world.types()
    assert types[:2] == ["operation.started.v1", "build.started.v1"]
    assert types[-2:] == ["operation.succeeded.v1", "build.succeeded.v1"]
    assert Counter(types)["build.step-finished.v1"] == 5
    assert {stored.envelope.causation_id for stored in await world.told()} == {asked.envelope.id}
    await eventually(world.everything_is_answered)


async def test_lines_can_be_read_as_soon_as_the_build_has_ended(world: World, upload: Upload) -> None:
    async with world.builder():
        asked = await world.ask(await upload(APP))
        await world.operation(asked)

    lines = EventLog(connection=world.connection, stream=LOG_LINES.name)
    subject = build_log("default", "digits", asked.envelope.id)
    texts = [
        line.text
        async for stored in lines.read(subject, after=0)
        for line in LogLines.model_validate_json(stored.data).lines
    ]
    assert [text.partition(":")[0] for text in texts] == [
        "source",
        "manifest",
        "dependencies",
        "code",
        "images",
    ]


async def test_a_failed_build_is_told_with_its_reason_and_its_last_lines(
    world: World, upload: Upload
) -> None:
    async with world.builder():
        asked = await world.ask(await upload({"app.py": ""}))
        failure = await world.failure(asked)
        await eventually(world.everything_is_answered)

    assert (failure.stage, failure.reason) == ("build", Reason.MANIFEST_MISSING)
    assert failure.hint
    assert any("files" in line for line in failure.log_tail)
    assert (await world.types())[-2:] == ["operation.failed.v1", "build.failed.v1"]


async def test_labels_count_up_each_day_and_a_taken_one_is_refused(world: World, upload: Upload) -> None:
    source = await upload(APP)
    async with world.builder():
        for label in (None, "stable", None):
            await world.operation(await world.ask(source, label=label))
        again = await world.ask(source, label="stable")
        endpoint = await world.ask(source, label="greet")
        failures = [await world.failure(again), await world.failure(endpoint)]

    day = f"{datetime.now(UTC):%Y%m%d}"
    assert [version.label for version in await world.versions()] == [f"{day}.1", "stable", f"{day}.2"]
    assert [failure.reason for failure in failures] == [Reason.LABEL_TAKEN, Reason.LABEL_TAKEN]


async def test_events_that_cannot_be_read_end_no_build(
    world: World, upload: Upload, silent_index: Any
) -> None:
    async with world.builder():
        hangs = await world.ask(await upload(hanging(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=10)
        for event in ("started", "succeeded", "canceled"):
            subject = f"slipway.default.digits.evt.build.{event}"
            await world.connection.request(subject, b"{}", within=5)
        canceled = await world.cancel(hangs.envelope.id)
        assert await world.operation(canceled) == "succeeded"
        later = await world.ask(await upload(APP))
        assert await world.operation(later) == "succeeded"


async def test_a_builder_removes_unfinished_blobs_when_it_starts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = world.folder / "blobs" / "tmp" / "0123"
    unfinished.parent.mkdir(parents=True)
    unfinished.touch()
    monkeypatch.setattr("slipway_builder.blob_leftovers._LEFT_FOR", timedelta(seconds=-1))

    async with world.builder():
        await eventually(lambda: not unfinished.exists())


async def test_a_command_that_comes_again_after_its_end_writes_nothing(world: World, upload: Upload) -> None:
    asked = await world.ask(await upload(APP))
    async with world.builds() as builds:
        await builds.run(asked.message, asked)  # type: ignore[arg-type]
    before = await world.types()

    async with world.builder():
        await eventually(world.everything_is_answered)

    assert await world.types() == before


async def test_two_builders_that_race_for_one_command_end_it_once(world: World, upload: Upload) -> None:
    asked = await world.ask(await upload(APP))

    async with world.builds() as one, world.builds() as other:
        await asyncio.gather(*(each.run(asked.message, asked) for each in (one, other)))  # type: ignore[arg-type]

    counted = Counter(await world.types())
    assert counted["build.succeeded.v1"] == counted["operation.succeeded.v1"] == 1
    assert counted["operation.started.v1"] == 1
    assert len(await world.versions()) == 1


async def test_a_builder_that_was_replaced_writes_nothing_more_and_waits_for_the_end(
    world: World, upload: Upload, gated_index: Any
) -> None:
    files = APP | {"slipway.yaml": f"{MANIFEST}requirements: ['{gated_index.wheel}']\n"}
    asked = await world.ask(await upload(files))
    async with world.builds() as replaced, world.builds() as newer:
        waiting = asyncio.create_task(replaced.run(asked.message, asked))  # type: ignore[arg-type]
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        journal = newer.journal(asked)
        await journal.begin(asked.message)  # type: ignore[arg-type]
        before = len(await world.types())

        gated_index.open.set()
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert not done
        assert len(await world.types()) == before

        await journal.append(*failed(("default", "digits"), asked.envelope.id, overdue()))
        await asyncio.wait_for(waiting, timeout=10)


async def test_builds_of_one_deployment_at_once_get_labels_of_their_own(world: World, upload: Upload) -> None:
    source = await upload(APP)

    async with world.builder(max_builds=4):
        asked = [await world.ask(source) for _ in range(8)]
        for each in asked:
            assert await world.operation(each) == "succeeded"

    numbers = sorted(int(version.label.rpartition(".")[2]) for version in await world.versions())
    assert numbers == list(range(1, 9))


async def test_a_build_that_a_killed_builder_began_is_ended_by_another(
    world: World, upload: Upload, gated_index: Any
) -> None:
    await world.shorten_ack_wait(1)
    files = APP | {"slipway.yaml": f"{MANIFEST}requirements: ['{gated_index.wheel}']\n"}
    async with world.builder_process() as process:
        asked = await world.ask(await upload(files))
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    gated_index.open.set()

    async with world.builder():
        assert await world.operation(asked) == "succeeded"
        await eventually(world.everything_is_answered)

    counted = Counter(await world.types())
    # On a busy machine the second builder's delivery may be repeated too before it says that it works.
    assert counted["build.started.v1"] >= 2
    assert counted["operation.started.v1"] == 1
    assert counted["build.succeeded.v1"] == 1
    assert list((world.folder / "builder" / "work").iterdir()) == []


async def test_a_builder_that_is_told_to_stop_gives_its_build_back_at_once(
    world: World, upload: Upload, gated_index: Any
) -> None:
    files = APP | {"slipway.yaml": f"{MANIFEST}requirements: ['{gated_index.wheel}']\n"}
    async with world.builder_process() as process:
        asked = await world.ask(await upload(files))
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), timeout=10) == 0
    gated_index.open.set()

    async with world.builder():
        assert await world.operation(asked, within=10) == "succeeded"


async def test_a_restart_of_the_log_in_the_middle_of_a_build_is_survived(
    world: World, upload: Upload, gated_index: Any
) -> None:
    files = APP | {"slipway.yaml": f"{MANIFEST}requirements: ['{gated_index.wheel}']\n"}
    async with world.builder():
        asked = await world.ask(await upload(files))
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        world.nats.kill9()
        gated_index.open.set()
        await asyncio.to_thread(world.nats.start)

        assert await world.operation(asked) == "succeeded"

    assert Counter(await world.types())["build.succeeded.v1"] == 1


async def test_a_cancel_ends_the_work_at_once(world: World, upload: Upload, silent_index: Any) -> None:
    async with world.builder(max_builds=1):
        asked = await world.ask(await upload(hanging(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=20)
        assert children() != []

        cancel = await world.cancel(asked.envelope.id)

        assert await world.operation(cancel) == "succeeded"
        assert await world.operation(asked) == "canceled"
        await eventually(lambda: children() == [], 2)
        await eventually(world.everything_is_answered)
    assert (await world.types())[-1] == "build.canceled.v1"


async def test_a_cancel_decided_elsewhere_ends_the_work_here(
    world: World, upload: Upload, silent_index: Any
) -> None:
    async with world.builder(), world.builder_process():
        asked = await world.ask(await upload(hanging(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=20)

        cancels = [await world.cancel(asked.envelope.id) for _ in range(3)]

        assert sorted([await world.operation(each) for each in cancels]) == ["failed", "failed", "succeeded"]
        assert await world.operation(asked) == "canceled"
        await eventually(world.everything_is_answered)


async def test_a_build_that_waits_for_its_turn_can_be_canceled(
    world: World, upload: Upload, silent_index: Any
) -> None:
    async with world.builder(max_builds=1):
        first = await world.ask(await upload(hanging(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=20)
        second = await world.ask(await upload(APP))

        assert await world.operation(await world.cancel(second.envelope.id)) == "succeeded"
        assert await world.operation(second) == "canceled"
        assert await world.operation(await world.cancel(first.envelope.id)) == "succeeded"
        await eventually(world.everything_is_answered)

    started = [each for each in await world.told() if isinstance(each.message, BuildStarted)]
    assert [each.envelope.causation_id for each in started] == [first.envelope.id]


async def test_a_cancel_of_a_build_that_has_ended_fails_with_a_reason(world: World, upload: Upload) -> None:
    async with world.builder():
        asked = await world.ask(await upload(APP))
        await world.operation(asked)

        failure = await world.failure(await world.cancel(asked.envelope.id))
        unknown = await world.failure(await world.cancel(new_id()))

    assert failure.reason is unknown.reason is Reason.BUILD_NOT_CANCELABLE
    assert "SUCCEEDED" in failure.message
    assert "was never asked for" in unknown.message


async def test_a_build_ends_at_its_deadline(world: World, upload: Upload, silent_index: Any) -> None:
    async with world.builder():
        asked = await world.ask(await upload(hanging(silent_index)), deadline_at=now() + timedelta(seconds=1))
        failure = await world.failure(asked)
        assert children() == []
        await eventually(world.everything_is_answered)

    assert failure.reason is Reason.DEADLINE_EXCEEDED


async def test_a_build_that_nobody_works_on_is_ended_after_its_deadline(world: World, upload: Upload) -> None:
    past = now() - timedelta(minutes=1)
    asked = await world.ask(await upload(APP), deadline_at=past)
    in_time = await world.ask(await upload(APP))
    sweeps = [Sweep(log=world.log, connection=world.connection) for _ in range(2)]

    await asyncio.gather(*(sweep.once() for sweep in sweeps))

    assert (await world.failure(asked)).reason is Reason.DEADLINE_EXCEEDED
    ended = [each.message.build for each in await world.told() if isinstance(each.message, BuildFailed)]
    assert ended == [asked.envelope.id] != [in_time.envelope.id]


async def test_a_build_that_no_builder_survives_is_given_up(world: World, upload: Upload) -> None:
    asked = await world.ask(await upload(APP))
    for _ in range(10):
        async with world.builds() as builds:
            await builds.journal(asked).begin(asked.message)  # type: ignore[arg-type]

    async with world.builder():
        failure = await world.failure(asked)

    assert failure.reason is Reason.BUILD_FAILED
    assert "begun 10 times" in failure.message


async def test_a_command_that_cannot_be_read_is_given_up_and_said_so(world: World) -> None:
    identifier = new_id()
    headers = Envelope(
        id=identifier, type="command.build.v1", source="/slipway/api", subject="default/digits", time=now()
    ).to_headers()
    await world.connection.request(
        "slipway.default.digits.cmd.builder.build", b'{"type": "command.build.v1"}', headers=headers, within=5
    )

    async with world.builder():
        await eventually(world.everything_is_answered)

    told = [stored.message for stored in await world.told()]
    (dead,) = [message for message in told if isinstance(message, MessageDead)]
    assert (dead.service, dead.message_id, dead.deliveries) == ("builder", identifier, 1)
    assert [message.build for message in told if isinstance(message, BuildFailed)] == [identifier]
    assert [each.operation for each in told if isinstance(each, OperationFailed)] == [identifier]
