"""What the user is told of a smoke test, by what the replica answers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

import pytest
from slipway_contracts.version import SmokeTest
from slipway_monitor.smoke_request import LARGEST_ANSWER, smoke_result

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def saying(body: bytes, *, status: str = "200 OK") -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


async def never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_an_answer_as_expected_passes_with_its_status_and_time() -> None:
    test = SmokeTest(path="/predict", json_shape={"labels": ["cat"]}, latency_seconds=30)

    async with serving(saying(b'{"labels": ["dog"], "more": 1}')) as address:
        result = await smoke_result(address, test, timeout_seconds=60)

    assert (result.passed, result.status) == (True, 200)
    assert result.message.startswith("GET /predict answered 200 in ")


async def test_the_request_is_sent_as_it_was_written() -> None:
    received: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        received.append(await reader.readexactly(5))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    test = SmokeTest(method="POST", path="/über?a=b", headers={"X-One": "1"}, body='"ü"\n', status=204)
    async with serving(answer) as address:
        result = await smoke_result(address, test, timeout_seconds=60)

    assert result.passed
    assert received[0].startswith(b"POST /%C3%BCber?a=b HTTP/1.1\r\n")
    assert b"\r\nX-One: 1\r\n" in received[0]
    assert received[1] == '"ü"\n'.encode()


@pytest.mark.parametrize(
    ("test", "answer", "message"),
    [
        (
            SmokeTest(method="POST", path="/predict"),
            saying(b"no model\n" + b"x" * 300, status="500 Error"),
            "POST /predict answered 500, expected 200: no model " + "x" * 191,
        ),
        (
            SmokeTest(path="/", json_shape={"a": 1}),
            saying(b'{"a": "1"}'),
            'GET / answered 200, but "a" of the answer is a string, expected a number: {"a": "1"}',
        ),
        (
            SmokeTest(path="/", json_shape={}),
            saying(b"<html>"),
            "GET / answered 200, but the answer is no JSON: <html>",
        ),
        (
            SmokeTest(path="/"),
            saying(b"x" * (LARGEST_ANSWER + 1)),
            f"GET / answered with more than {LARGEST_ANSWER} bytes, which is too much for a smoke test",
        ),
        (SmokeTest(path="/", status=404), saying(b""), "GET / answered 200, expected 404: (nothing)"),
        (
            SmokeTest(path="/", json_shape=[]),
            saying(b"[" * 200_000),
            "GET / answered 200, but the answer is nested too deeply to be looked at: " + "[" * 200,
        ),
    ],
)
async def test_an_answer_that_is_not_as_expected_fails_with_what_came(
    test: SmokeTest, answer: Answer, message: str
) -> None:
    async with serving(answer) as address:
        result = await smoke_result(address, test, timeout_seconds=60)

    assert (result.passed, result.message) == (False, message)


async def test_no_answer_within_the_limit_fails_with_the_limit() -> None:
    test = SmokeTest(path="/slow", latency_seconds=0.2)

    async with serving(never) as address:
        result = await smoke_result(address, test, timeout_seconds=60)

    assert (result.passed, result.status) == (False, None)
    assert result.message == "GET /slow got no complete answer within 0.2 s"


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
async def test_an_answer_that_drips_is_given_up_at_the_limit_and_frees_its_thread(connection: str) -> None:
    async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\nConnection: {connection}\r\nContent-Length: 100000\r\n\r\n"
        writer.write(head.encode())
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    with ThreadPoolExecutor(max_workers=1) as threads:
        async with serving(drip) as address:
            test = SmokeTest(path="/")
            result = await smoke_result(address, test, timeout_seconds=0.3, threads=threads)
            free = asyncio.get_running_loop().run_in_executor(threads, lambda: True)

            assert result.message == "GET / got no complete answer within 0.3 s"
            assert await asyncio.wait_for(free, timeout=60)


async def test_a_connection_that_is_refused_or_cut_is_told() -> None:
    async def cut(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with serving(cut) as address:
        was_cut = await smoke_result(address, SmokeTest(path="/"), timeout_seconds=60)
    refused = await smoke_result(address, SmokeTest(path="/"), timeout_seconds=60)

    assert was_cut.message == "GET / got no answer: Remote end closed connection without response"
    assert refused.message == "GET / got no answer: Connection refused"
