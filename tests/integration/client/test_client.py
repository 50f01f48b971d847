"""The client library against a whole platform."""

import asyncio
from pathlib import Path

import pytest
from e2e.running_platform import FIXTURES, RunningPlatform
from slipway import Configuration, ProblemError, Size, Slipway
from slipway.archive import pack
from slipway.connection import find_connection
from slipway.event_stream import Event

GREETER = FIXTURES / "greeter"


async def test_of_two_that_put_one_name_one_creates_and_the_other_deploys(platform: RunningPlatform) -> None:
    async with platform.client() as slipway:
        source = await slipway.upload_folder(GREETER)
        config = Configuration(size=Size(memory_bytes=256 << 20))

        first, second = await asyncio.gather(
            *(slipway.put("put", source=source, config=config) for _ in range(2))
        )
        outcomes = await asyncio.gather(slipway.follow(first), slipway.follow(second))

        assert first.operation.id != second.operation.id
        states = {outcome.state for outcome in outcomes}
        assert "SUCCEEDED" in states
        assert states <= {"SUCCEEDED", "SUPERSEDED"}


async def test_what_follow_returns_is_what_the_operation_says(platform: RunningPlatform) -> None:
    shown: list[Event] = []
    async with platform.client() as slipway:
        source = await slipway.upload_folder(GREETER)
        accepted = await slipway.put("followed-by-code", source=source)

        outcome = await slipway.follow(accepted, shown.append)
        operation = await slipway.operation(accepted.operation.id, at_least=outcome.sequence)

    assert (outcome.state, outcome.release) == (operation.state, operation.release) == ("SUCCEEDED", 1)
    assert [each.kind for each in shown if each.kind.startswith("release.")] == [
        "release.created",
        "release.starting",
        "release.ready",
        "release.live",
    ]


async def test_an_operation_that_ended_long_ago_can_still_be_followed(platform: RunningPlatform) -> None:
    async with platform.client() as slipway:
        source = await slipway.upload_folder(GREETER)
        accepted = await slipway.build("long-ago", source=source)
        first = await slipway.follow(accepted)

        again = await slipway.follow(accepted)

    assert again == first
    assert again.version


async def test_the_stream_and_the_pages_tell_the_same_events(platform: RunningPlatform) -> None:
    async with platform.client() as slipway:
        source = await slipway.upload_folder(GREETER)
        outcome = await slipway.follow(await slipway.build("same", source=source))
        await slipway.operation(outcome.operation, at_least=outcome.sequence)

        pages = [each async for each in slipway.past_events(deployment="same")]
        stream = []
        async for each in slipway.events(deployment="same", after=0):
            stream.append(each)
            if each.sequence >= pages[-1].sequence:
                break

    assert [(each.sequence, each.type, each.data) for each in stream] == [
        (each.sequence, each.type, each.data) for each in pages
    ]


async def test_lists_are_read_over_all_their_pages(platform: RunningPlatform) -> None:
    found = find_connection(state=platform.state, environment={})
    async with Slipway(found.url, found.key, page_size=2) as slipway:
        source = await slipway.upload_folder(GREETER)
        for number in range(3):
            outcome = await slipway.follow(await slipway.build("paged", source=source, label=f"v{number}"))
        await slipway.operation(outcome.operation, at_least=outcome.sequence + 1)

        every = [each.label async for each in slipway.versions("paged")]
        some = [each.label async for each in slipway.versions("paged", limit=1)]

    assert every == ["v2", "v1", "v0"]
    assert some == ["v2"]


async def test_bytes_of_another_digest_are_refused(platform: RunningPlatform, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pack(tmp_path) as archive:
        archive.file.write(b"tampered")
        async with platform.client() as slipway:
            with pytest.raises(ProblemError) as refused:
                await slipway.upload(archive)

    assert refused.value.reason == "DigestMismatch"


async def test_a_client_outside_its_context_says_how_to_use_it() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Slipway("http://127.0.0.1:1", "slw_x").stop("digits")
