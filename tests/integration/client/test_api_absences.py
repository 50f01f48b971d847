"""What a user is told while the API does not answer, and what became of a request that it answered badly."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
from aiohttp import web
from integration.client.faulty_server import (
    ACCEPTED,
    Answer,
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
from slipway.documents import Accepted, Operation

_PATIENCE: Final = 2.0
"""Seconds within which a busy machine manages three attempts."""


@pytest.fixture
async def server() -> AsyncIterator[FaultyServer]:
    async with serving() as faulty:
        yield faulty


async def test_a_change_that_is_stored_is_asked_for_again_with_its_key_until_it_can_be_read(
    server: FaultyServer,
) -> None:
    server.script = [
        refuses(503, "LogUnavailable", outcome="stored"),
        answers(ACCEPTED, status=202),
    ]

    async with client(server) as slipway:
        accepted = await slipway.stop("digits")

    assert accepted.sequence == 41
    assert len(server.keys) == 2
    assert len(set(server.keys)) == 1


@pytest.mark.parametrize(
    ("outcome", "later"),
    [
        ("stored", refuses(503, "LogUnavailable", outcome="nothing")),
        ("stored", resets),
        ("unknown", refuses(502, "Proxy")),
        ("unknown", resets),
    ],
)
async def test_a_change_that_may_be_made_is_never_told_as_none(
    server: FaultyServer, outcome: str, later: Answer
) -> None:
    server.script = [refuses(503, "LogUnavailable", outcome=outcome), later]

    async with client(server, patience=_PATIENCE) as slipway:
        with pytest.raises(ProblemError) as refused:
            await slipway.stop("digits")

    assert refused.value.problem.document["outcome"] == outcome
    assert len(server.requests) > 1


async def test_what_is_known_grows_from_answer_to_answer(server: FaultyServer) -> None:
    server.script = [
        refuses(503, "LogUnavailable", outcome="unknown"),
        refuses(503, "LogUnavailable", outcome="stored"),
        refuses(503, "LogUnavailable", outcome="nothing"),
    ]

    async with client(server, patience=_PATIENCE) as slipway:
        with pytest.raises(ProblemError) as refused:
            await slipway.stop("digits")

    assert refused.value.problem.document["outcome"] == "stored"


async def test_a_request_that_nobody_took_was_not_asked() -> None:
    async with Slipway("http://127.0.0.1:1", "slw_x", patience=0.0) as slipway:
        with pytest.raises(UnreachableError, match="Connection refused; nothing was asked of it"):
            await slipway.stop("digits")


async def test_a_change_whose_answer_was_lost_may_have_arrived(server: FaultyServer) -> None:
    server.script = [resets]

    async with client(server, patience=0.0) as slipway:
        with pytest.raises(UnreachableError, match="it is not known whether the request arrived"):
            await slipway.stop("digits")


async def test_a_change_that_got_a_refusal_for_a_while_was_asked(server: FaultyServer) -> None:
    async def refuses_once(request: web.Request) -> web.StreamResponse:
        await server.close()
        response = await refuses(503, "Starting")(request)
        response.force_close()
        return response

    server.script = [refuses_once]

    async with client(server, patience=_PATIENCE) as slipway:
        with pytest.raises(UnreachableError, match="it is not known whether the request arrived"):
            await slipway.stop("digits")


async def test_a_read_whose_answer_was_lost_leaves_no_question(server: FaultyServer) -> None:
    server.script = [resets]

    async with client(server, patience=0.0) as slipway:
        with pytest.raises(UnreachableError) as lost:
            await slipway.operation("op-1")

    assert "arrived" not in lost.value.message


async def test_an_api_that_went_away_was_asked_before(server: FaultyServer) -> None:
    server.script = [answers(ACCEPTED, status=202)]

    async with client(server, patience=0.0) as slipway:
        await slipway.stop("digits")
        await server.stop()
        with pytest.raises(UnreachableError) as gone:
            await slipway.start("digits")

    assert "nothing was asked" not in gone.value.message


async def test_a_wait_tells_once_that_the_api_is_away_and_once_that_it_is_back(server: FaultyServer) -> None:
    told: list[str] = []
    heard = asyncio.Event()

    def tell(line: str) -> None:
        told.append(line)
        heard.set()

    end = event(43, kind="operation.succeeded.v1", operation="op-1")

    async def refuses_until_told(request: web.Request) -> web.StreamResponse:
        if heard.is_set():
            return await streams(event(42), end, then=silence)(request)
        return await resets(request)

    server.script = [refuses_until_told]
    async with (
        asyncio.timeout(20),
        Slipway(server.url, "slw_x", stream_patience=20, tell=tell) as slipway,
    ):
        outcome = await slipway.follow(
            Accepted(
                operation=Operation(id="op-1", kind="stop", state="PENDING", deployment="digits"),
                deployment="digits",
                sequence=41,
            )
        )

    assert outcome.succeeded
    assert told == [
        f"The API at {server.url} does not answer; waits for it, up to 20 s.",
        "The API answers again.",
    ]


async def test_a_short_absence_is_not_worth_a_word(server: FaultyServer) -> None:
    told: list[str] = []
    server.script = [resets, refuses(503, "Starting"), streams(event(1), then=silence)]

    async with Slipway(server.url, "slw_x", tell=told.append) as slipway, asyncio.timeout(10):
        stream = slipway.events(after=0)
        assert (await anext(stream)).sequence == 1
        await stream.aclose()

    assert told == []


async def test_a_deploy_of_what_is_there_asks_for_no_creation(server: FaultyServer) -> None:
    server.script = [answers({"id": "digits"}), answers(ACCEPTED, status=202)]

    async with client(server) as slipway:
        await slipway.put("digits", version="v1")

    asked = [(each.method, each.path.rpartition("/")[2]) for each in server.requests]
    assert asked == [("GET", "digits"), ("POST", "deploy")]


@pytest.mark.parametrize(
    ("found", "first", "asked"),
    [
        (answers({"id": "digits"}), "DeploymentNotFound", ["digits", "deploy", "deployments"]),
        (answers({"id": "digits"}), "DeploymentPurging", ["digits", "deploy", "deployments"]),
        (refuses(404, "DeploymentNotFound"), "DeploymentExists", ["digits", "deployments", "deploy"]),
        (refuses(503, "ProjectionUnavailable"), "DeploymentExists", ["digits", "deployments", "deploy"]),
    ],
)
async def test_a_deploy_is_not_misled_by_what_it_read(
    server: FaultyServer, found: Answer, first: str, asked: list[str]
) -> None:
    server.script = [found, refuses(409, first), answers(ACCEPTED, status=202)]

    async with client(server) as slipway:
        accepted = await slipway.put("digits", version="v1")

    assert accepted.sequence == 41
    assert [each.path.rpartition("/")[2] for each in server.requests] == asked
