"""Faults of the connection, which no real server makes on demand: resets, refusals for a while, silence."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
from aiohttp import web
from integration.client.faulty_server import (
    ACCEPTED,
    OPERATION,
    FaultyServer,
    answers,
    client,
    event,
    refuses,
    resets,
    serving,
    silence,
    streams,
)
from slipway import ProblemError, Slipway, UnreachableError
from slipway.archive import pack
from slipway.errors import ProtocolError


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with serving() as faulty:
        yield faulty


async def sequences(slipway: Slipway, *, count: int, after: int | None) -> list[int]:
    found: list[int] = []
    async with asyncio.timeout(10), aclosing(slipway.events(after=after)) as events:
        async for each in events:
            found.append(each.sequence)
            if len(found) == count:
                break
    return found


async def test_a_mutation_is_repeated_with_the_same_key_until_the_log_is_there(server: FaultyServer) -> None:
    unavailable = refuses(503, "LogUnavailable")
    server.script = [unavailable, resets, unavailable, answers(ACCEPTED, status=202)]

    async with client(server) as slipway:
        accepted = await slipway.stop("digits")

    assert accepted.sequence == 41
    assert len(server.keys) == 4
    assert len(set(server.keys)) == 1
    assert server.keys[0]


async def test_two_mutations_never_share_a_key(server: FaultyServer) -> None:
    server.script = [answers(ACCEPTED, status=202)]

    async with client(server) as slipway:
        await slipway.stop("digits")
        await slipway.stop("digits")

    assert len(set(server.keys)) == 2


async def test_a_refusal_is_final_and_keeps_every_member(server: FaultyServer) -> None:
    server.script = [refuses(409, "NotRunning", hint="Start it.", deployment="digits")]

    async with client(server) as slipway:
        with pytest.raises(ProblemError) as refused:
            await slipway.stop("digits")

    assert len(server.requests) == 1
    assert (refused.value.status, refused.value.reason, refused.value.hint) == (
        409,
        "NotRunning",
        "Start it.",
    )
    assert refused.value.problem.document["deployment"] == "digits"


async def test_a_server_that_only_resets_is_given_up_after_patience(server: FaultyServer) -> None:
    server.script = [resets]

    async with client(server, patience=0.3) as slipway:
        with pytest.raises(UnreachableError, match="does not answer"):
            await slipway.stop("digits")

    assert len(server.requests) > 1


async def test_a_lasting_503_ends_as_the_problem_it_is(server: FaultyServer) -> None:
    server.script = [refuses(503, "ProjectionBehind", retry_after_seconds=1)]

    async with client(server, patience=0.3) as slipway:
        with pytest.raises(ProblemError) as refused:
            await slipway.deployment("digits", at_least=7)

    assert refused.value.reason == "ProjectionBehind"


async def test_an_answer_that_never_comes_counts_as_lost(server: FaultyServer) -> None:
    async def hangs(_: web.Request) -> web.StreamResponse:
        await silence()
        return web.Response()

    server.script = [hangs, answers(ACCEPTED, status=202)]

    async with client(server, silence=0.2) as slipway:
        accepted = await slipway.stop("digits")

    assert accepted.operation.id == "op-1"


async def test_an_answer_of_another_kind_of_server_is_named(server: FaultyServer) -> None:
    async def page(_: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>", content_type="text/html")

    server.script = [page]

    async with client(server) as slipway:
        with pytest.raises(ProtocolError, match="not JSON"):
            await slipway.stop("digits")


async def test_an_upload_that_broke_off_is_sent_again_from_its_start(
    server: FaultyServer, tmp_path: Path
) -> None:
    async def breaks_off(request: web.Request) -> web.StreamResponse:
        await request.content.readexactly(1000)
        return await resets(request)

    async def takes(request: web.Request) -> web.StreamResponse:
        server.bodies.append(await request.read())
        return web.json_response({})

    (tmp_path / "model").write_bytes(bytes(range(256)) * 20_000)
    server.script = [refuses(404, "ArtifactNotFound"), breaks_off, takes]

    with pack(tmp_path) as archive:
        content = archive.file.read()
        async with client(server) as slipway:
            sent = await slipway.upload(archive)

    assert sent
    assert [request.method for request in server.requests] == ["HEAD", "PUT", "PUT"]
    assert server.bodies == [content]


async def test_an_upload_that_is_there_already_sends_nothing(server: FaultyServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    server.script = [answers({})]

    with pack(tmp_path) as archive:
        async with client(server) as slipway:
            sent = await slipway.upload(archive)

    assert not sent
    assert [request.method for request in server.requests] == ["HEAD"]


async def test_a_broken_stream_goes_on_behind_its_last_whole_event(server: FaultyServer) -> None:
    cut = event(12)
    server.script = [
        streams(event(11), cut[:-5]),
        refuses(503, "Starting"),
        streams(event(11), cut, event(13), then=silence),
    ]

    async with client(server) as slipway:
        found = await sequences(slipway, count=3, after=10)

    assert found == [11, 12, 13]
    assert server.positions == ["10", "11", "11"]


async def test_a_stream_from_now_on_remembers_the_place_it_was_told(server: FaultyServer) -> None:
    server.script = [streams(b"id: 70\n: connected\n\n"), streams(event(71), then=silence)]

    async with client(server) as slipway:
        found = await sequences(slipway, count=1, after=None)

    assert found == [71]
    assert server.positions == [None, "70"]


async def test_a_stream_without_even_heartbeats_is_taken_up_again(server: FaultyServer) -> None:
    server.script = [streams(event(1), then=silence), streams(event(2), then=silence)]

    async with client(server, silence=0.2) as slipway:
        found = await sequences(slipway, count=2, after=0)

    assert found == [1, 2]


async def test_heartbeats_keep_a_quiet_stream_open(server: FaultyServer) -> None:
    async def beats(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for _ in range(6):
            await response.write(b"id: 5\n: heartbeat\n\n")
            await asyncio.sleep(0.1)
        await response.write(event(6))
        return response

    server.script = [beats]

    async with client(server, silence=0.3) as slipway:
        found = await sequences(slipway, count=1, after=5)

    assert found == [6]
    assert len(server.requests) == 1


async def test_an_event_larger_than_any_buffer_arrives_whole(server: FaultyServer) -> None:
    server.script = [streams(event(1, text="x" * 3_000_000), then=silence)]

    async with client(server) as slipway, aclosing(slipway.events(after=0)) as events:
        found = await anext(events)

    assert len(found.data["text"]) == 3_000_000


async def test_a_refused_subscription_is_not_tried_again(server: FaultyServer) -> None:
    server.script = [refuses(401, "KeyUnknown")]

    async with client(server) as slipway:
        with pytest.raises(ProblemError) as refused:
            await sequences(slipway, count=1, after=0)

    assert refused.value.status == 401
    assert len(server.requests) == 1


def log_line(second: int, text: str) -> bytes:
    document = {"at": f"2026-11-21T03:00:{second:02}Z", "stream": "stdout", "text": text, "replica": "0-1"}
    return json.dumps(document).encode() + b"\n"


async def test_a_broken_log_goes_on_and_tells_no_line_twice(server: FaultyServer) -> None:
    server.script = [
        streams(log_line(40, "a"), log_line(40, "a"), log_line(41, "b"), log_line(42, "c")[:-9]),
        refuses(503, "LogUnavailable"),
        streams(log_line(40, "a") * 2, log_line(41, "b"), log_line(42, "c") * 2, then=silence),
    ]

    found: list[str] = []
    async with (
        asyncio.timeout(10),
        client(server) as slipway,
        aclosing(slipway.logs("digits", tail=10).read(follow=True)) as lines,
    ):
        async for line in lines:
            found.append(line.text)
            if len(found) == 5:
                break

    assert found == ["a", "a", "b", "c", "c"]
    assert [request.query.get("tail") for request in server.requests] == ["10", "100000", "100000"]
    assert server.requests[2].query["since"] == "2026-11-21T03:00:11+00:00"


async def test_a_log_that_is_only_read_ends(server: FaultyServer) -> None:
    server.script = [resets, streams(log_line(1, "a"))]

    async with client(server) as slipway, asyncio.timeout(10):
        found = [line.text async for line in slipway.build_log("digits", "b-1").read(follow=False)]

    assert found == ["a"]


async def test_events_behind_a_gap_are_not_taken_for_repeats(server: FaultyServer) -> None:
    gap = b'id: 40\nevent: gap\ndata: {"from": 41, "to": 40, "reason": "the log ends before"}\n\n'
    server.script = [streams(gap, event(41), then=silence)]

    async with client(server) as slipway:
        found = await sequences(slipway, count=2, after=900)

    assert found == [40, 41]


async def test_an_end_that_lies_in_a_gap_is_looked_up(server: FaultyServer) -> None:
    gap = b'id: 50\nevent: gap\ndata: {"from": 42, "to": 50, "reason": "no longer kept"}\n\n'
    server.script = [
        answers(ACCEPTED, status=202),
        streams(gap, then=silence),
        answers({**OPERATION, "state": "SUPERSEDED", "superseded_by": "op-2"}),
    ]

    async with client(server) as slipway:
        outcome = await slipway.follow(await slipway.stop("digits"))

    assert (outcome.state, outcome.by_operation, outcome.sequence) == ("SUPERSEDED", "op-2", 50)
