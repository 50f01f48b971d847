"""The builder as a process: commands from a real log, events back."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from eventually import eventually
from integration.builder.builder_world import APP, BuilderWorld, Upload
from slipway_chassis.event_log import EventLog
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import BuildFailed, MessageDead, OperationFailed
from slipway_contracts.failure import Reason
from slipway_contracts.log_lines import LogLines
from slipway_contracts.subjects import build_log
from slipway_contracts.topology import LOG_LINES


async def test_a_build_ends_with_its_version_and_its_operation(world: BuilderWorld, upload: Upload) -> None:
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


async def test_lines_can_be_read_as_soon_as_the_build_has_ended(world: BuilderWorld, upload: Upload) -> None:
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
    world: BuilderWorld, upload: Upload
) -> None:
    async with world.builder():
        asked = await world.ask(await upload({"app.py": ""}))
        failure = await world.failure(asked)
        await eventually(world.everything_is_answered)

    assert (failure.stage, failure.reason) == ("build", Reason.MANIFEST_MISSING)
    assert failure.hint
    assert any("files" in line for line in failure.log_tail)
    assert (await world.types())[-2:] == ["operation.failed.v1", "build.failed.v1"]


async def test_labels_count_up_each_day_and_a_taken_one_is_refused(
    world: BuilderWorld, upload: Upload
) -> None:
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


async def test_a_builder_removes_unfinished_blobs_when_it_starts(
    world: BuilderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = world.folder / "blobs" / "tmp" / "0123"
    unfinished.parent.mkdir(parents=True)
    unfinished.touch()
    monkeypatch.setattr("slipway_builder.main._UNFINISHED_FOR", timedelta(seconds=-1))

    async with world.builder():
        await eventually(lambda: not unfinished.exists())


async def test_builds_of_one_deployment_at_once_get_labels_of_their_own(
    world: BuilderWorld, upload: Upload
) -> None:
    source = await upload(APP)

    async with world.builder(max_builds=4):
        asked = [await world.ask(source) for _ in range(8)]
        for each in asked:
            assert await world.operation(each) == "succeeded"

    numbers = sorted(int(version.label.rpartition(".")[2]) for version in await world.versions())
    assert numbers == list(range(1, 9))


async def test_a_command_that_cannot_be_read_is_given_up_and_said_so(world: BuilderWorld) -> None:
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
