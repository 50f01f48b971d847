"""Users of NATS that may read one group: what they see, and what they cannot do."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import nats
import pytest
from eventually import eventually
from integration.standalone.driver import Platform
from nats.aio.client import Client
from slipway_contracts import subjects
from slipway_contracts.topology import BUCKETS, CONSUMERS, RIGHTS, STREAMS

FOREIGN = ("told.>", "told.slipway.>", "told.slipway.speech.>", "told.slipway.*.digits.>", "$KV.>", ">")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[Client, list[str]]]:
    """A client, and what the server refused it."""
    refused: list[str] = []

    async def note(error: Exception) -> None:
        refused.append(str(error))

    client = await nats.connect(url, error_cb=note, allow_reconnect=False)
    try:
        yield client, refused
    finally:
        if not client.is_closed:
            await client.close()


def subscriber(platform: Platform, name: str, group: str) -> dict[str, Any]:
    ran = platform.run(platform.command("subscriber", "add", name, "--group", group, "--json"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return dict(json.loads(ran.stdout))


async def answer_to_login(platform: Platform, url: str) -> bytes:
    """What the server says to the user and password of a URL, before it hangs up."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection("127.0.0.1", platform.port("nats"))
    login = {"user": parts.username, "pass": parts.password, "verbose": True}
    writer.write(f"CONNECT {json.dumps(login)}\r\n".encode())
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    await writer.wait_closed()
    return said


@pytest.fixture(scope="module")
def reader(running: Platform) -> dict[str, Any]:
    """A subscriber of the group `vision`, made while the server runs."""
    return subscriber(running, "board", "vision")


async def test_a_subscriber_gets_its_group_and_no_other(running: Platform, reader: dict[str, Any]) -> None:
    async with (
        connected(reader["url"]) as (client, refused),
        connected(running.nats_url("provisioner")) as (provisioner, _),
    ):
        own = await client.subscribe("told.slipway.vision.>")
        # The ping of a flush overtakes what the client has buffered; that of the second comes behind it.
        await client.flush()
        await client.flush()
        for subject in (
            "slipway.speech.digits.evt.release.live",
            "slipway.vision._.evt.request.refused",
            "slipway.vision._.evt.webhook.configured",
            "slipway.vision.digits.evt.release.live",
        ):
            await provisioner.jetstream().publish(subject, subject.encode())
        seen = await own.next_msg(timeout=5)
        for subject in FOREIGN:
            await client.subscribe(subject)
            await client.flush()

        assert seen.data == b"slipway.vision.digits.evt.release.live"
        assert own.pending_msgs == 0
        await eventually(lambda: len(refused) == len(FOREIGN))


async def test_a_subscriber_hears_nothing_before_the_log_took_it(reader: dict[str, Any]) -> None:
    stored = [subject for stream in STREAMS for subject in stream.subjects]
    own = [subject.replace("slipway.*", "slipway.vision") for subject in stored]
    wanted = [*stored, *own, "slipway.>", "slipway.vision.>", "$JS.>", "_INBOX.>", "_INBOX_api.>"]
    async with connected(reader["url"]) as (client, refused):
        for subject in wanted:
            await client.subscribe(subject)
            await client.flush()

        await eventually(lambda: len(refused) == len(wanted))
        assert all("permissions violation for subscription" in each.lower() for each in refused)


@pytest.mark.parametrize("service", [rights.service for rights in RIGHTS])
async def test_no_service_may_tell_what_the_log_did_not_take(running: Platform, service: str) -> None:
    rights = next(rights for rights in RIGHTS if rights.service == service)
    told = [subjects.told(subject) for subject in (*rights.publish, "slipway.vision.digits.evt.release.live")]
    concrete = [subject.replace("*", "x").replace(">", "x") for subject in told]
    async with connected(running.nats_url(service)) as (client, refused):
        for subject in concrete:
            await client.publish(subject, b"")
        await client.flush()

        await eventually(lambda: len(refused) == len(concrete))


async def test_a_subscriber_may_publish_nothing_that_anybody_may(reader: dict[str, Any]) -> None:
    wanted = [subject for rights in RIGHTS for subject in rights.publish]
    wanted += [subjects.told(subject) for subject in wanted]
    wanted += [f"$JS.API.STREAM.{verb}.{stream.name}" for stream in STREAMS for verb in ("INFO", "MSG.GET")]
    wanted += [f"$JS.API.CONSUMER.MSG.NEXT.{each.stream}.{each.durable}" for each in CONSUMERS]
    wanted += [f"$KV.{bucket.name}.x" for bucket in BUCKETS]
    wanted += ["$JS.API.CONSUMER.CREATE.SLIPWAY.x.slipway.vision.>", "_INBOX.x"]
    concrete = [subject.replace("*", "x").replace(">", "x") for subject in wanted]
    async with connected(reader["url"]) as (client, refused):
        for subject in concrete:
            await client.publish(subject, b"")
        await client.flush()

        await eventually(lambda: len(refused) == len(concrete))
        assert all("permissions violation for publish" in each.lower() for each in refused)


async def test_a_removed_subscriber_is_cut_off_and_stays_out(running: Platform) -> None:
    url = subscriber(running, "leaving", "vision")["url"]
    async with connected(url) as (client, _):
        ran = running.run(running.command("subscriber", "rm", "leaving"))
        assert ran.returncode == 0, ran.stderr
        await eventually(lambda: not client.is_connected)

    assert b"Authorization Violation" in await answer_to_login(running, url)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "api"), "cannot be the name of a subscriber"),
        (("add", "Upper"), "cannot be the name of a subscriber"),
        (("add", "board"), "slipway subscriber rm board"),
        (("add", "other", "--group", "a.b"), "is no name of a group"),
        (("rm", "nobody"), "See them: slipway subscriber list"),
    ],
)
def test_what_cannot_be_is_refused_with_a_way_out(
    running: Platform, reader: dict[str, Any], words: tuple[str, ...], said: str
) -> None:
    ran = running.run(running.command("subscriber", *words))

    assert ran.returncode == 1
    assert said in ran.stderr
    assert reader["name"] == "board"


def test_subscribers_are_listed_without_their_passwords(running: Platform, reader: dict[str, Any]) -> None:
    ran = running.run(running.command("subscriber", "list"))

    assert "board  told.slipway.vision.>" in ran.stdout
    assert reader["url"].split("@")[0].rpartition(":")[2] not in ran.stdout
