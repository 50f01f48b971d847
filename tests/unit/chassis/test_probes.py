"""The server of every process answers whatever it is asked, also when a check breaks."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes


@asynccontextmanager
async def listening(probes: Probes) -> AsyncIterator[int]:
    port = await probes.start(host="127.0.0.1", port=0)
    try:
        yield port
    finally:
        probes.close()


async def answer(port: int, request: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await asyncio.wait_for(reader.read(), timeout=10)).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split(b" ", 2)[1]), body


@pytest.fixture
def unhandled() -> list[dict[str, Any]]:
    return []


@pytest.fixture
async def probes(unhandled: list[dict[str, Any]]) -> Probes:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    return Probes(metrics=Metrics(service="test"))


@pytest.mark.parametrize("line", [b"", b"GET", b"nonsense", b"\xff\xfe"])
async def test_a_line_that_is_no_request_gets_400(
    probes: Probes, unhandled: list[dict[str, Any]], line: bytes
) -> None:
    async with listening(probes) as port:
        status, body = await answer(port, line + b"\r\n\r\n")

    assert (status, b"/readyz" in body) == (400, True)
    assert unhandled == []


async def test_a_check_that_breaks_is_a_problem_and_hides_no_other(
    probes: Probes, unhandled: list[dict[str, Any]]
) -> None:
    async def broken() -> str | None:
        raise KeyError("a bug")

    async def waiting() -> str | None:
        return "not yet"

    probes.add("broken", broken)
    probes.add("waiting", waiting)

    async with listening(probes) as port:
        status, body = await answer(port, b"GET /readyz HTTP/1.1\r\n\r\n")

    assert status == 503
    assert json.loads(body)["problems"] == {"broken": "KeyError: 'a bug'", "waiting": "not yet"}
    assert unhandled == []
