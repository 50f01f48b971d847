"""Sends the request of a smoke test to one replica and says what came of it, in a sentence for its user."""

import asyncio
import json
import socket
import string
import time
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import quote

from slipway_contracts.replica import SmokeResult
from slipway_contracts.version import SmokeTest

from slipway_monitor.json_shape import misfit

LARGEST_ANSWER: Final = 1 << 20
_QUOTED: Final = 200
_DEEP: Final = "the answer is nested too deeply to be looked at"


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes


class _Connection(HTTPConnection):
    """Can be hung up on at any time: `http.client` forgets its socket once an answer has begun."""

    line: socket.socket | None = None

    def connect(self) -> None:
        super().connect()
        self.line = self.sock

    def hang_up(self) -> None:
        with suppress(OSError):
            if self.line is not None:
                self.line.shutdown(socket.SHUT_RDWR)


async def smoke_result(
    address: str,
    test: SmokeTest,
    *,
    timeout_seconds: float,
    threads: Executor | None = None,
    traceparent: str | None = None,
) -> SmokeResult:
    """Ask the replica at `host:port` once; never raises for what the replica does.

    Args:
        address: where it answers.
        test: the request, and what is expected.
        timeout_seconds: the longest time to wait where the test itself sets no limit.
        threads: one of these waits for the answer; None: one of the event loop's own.
        traceparent: sent with the request, unless the test itself says another.
    """
    limit = test.latency_seconds or timeout_seconds
    began = time.monotonic()
    try:
        answer = await _exchange(address, _traced(test, traceparent), limit, threads)
    except TimeoutError:
        seconds = time.monotonic() - began
        return _failed(test, f"got no complete answer within {limit:g} s", seconds=seconds)
    except (OSError, HTTPException, ValueError) as error:
        seconds = time.monotonic() - began
        return _failed(test, f"got no answer: {_cause(error)}", seconds=seconds)
    seconds = time.monotonic() - began
    problem = _problem(test, answer)
    if problem is not None:
        return _failed(test, problem, seconds=seconds, status=answer.status)
    message = f"{_asked(test)} answered {answer.status} in {seconds:.2f} s."
    return SmokeResult(passed=True, message=message, seconds=seconds, status=answer.status)


def _traced(test: SmokeTest, traceparent: str | None) -> SmokeTest:
    if traceparent is None or "traceparent" in {name.lower() for name in test.headers}:
        return test
    return test.model_copy(update={"headers": {**test.headers, "traceparent": traceparent}})


def _problem(test: SmokeTest, answer: _Answer) -> str | None:
    if answer.status != test.status:
        return f"answered {answer.status}, expected {test.status}: {_quoted(answer.body)}"
    if len(answer.body) > LARGEST_ANSWER:
        return f"answered with more than {LARGEST_ANSWER} bytes, which is too much for a smoke test"
    if test.json_shape is None:
        return None
    try:
        found = misfit(test.json_shape, json.loads(answer.body))
    except RecursionError:
        found = _DEEP
    except ValueError:
        found = "the answer is no JSON"
    return None if found is None else f"answered {answer.status}, but {found}: {_quoted(answer.body)}"


def _failed(test: SmokeTest, problem: str, *, seconds: float, status: int | None = None) -> SmokeResult:
    return SmokeResult(passed=False, message=f"{_asked(test)} {problem}", seconds=seconds, status=status)


def _asked(test: SmokeTest) -> str:
    return f"{test.method} {test.path[:_QUOTED]}"


def _quoted(body: bytes) -> str:
    text = body[: 4 * _QUOTED].decode(errors="replace")
    printable = "".join(each if each.isprintable() else " " for each in text)
    return printable[:_QUOTED] or "(nothing)"


def _cause(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


async def _exchange(address: str, test: SmokeTest, limit: float, threads: Executor | None) -> _Answer:
    host, _, port = address.rpartition(":")
    connection = _Connection(host, int(port), timeout=limit)
    asking = asyncio.get_running_loop().run_in_executor(threads, _ask, connection, test)
    try:
        done, _ = await asyncio.wait({asking}, timeout=limit)
        if not done:
            raise TimeoutError
        return await asking
    finally:
        if not asking.done():
            # The thread waits in the socket, which its own limit frees only when nothing comes at all.
            asking.add_done_callback(_ignore)
            connection.hang_up()


def _ask(connection: _Connection, test: SmokeTest) -> _Answer:
    path = quote(test.path, safe=string.punctuation)
    body = None if test.body is None else test.body.encode()
    headers = {"User-Agent": "slipway", **test.headers, "Connection": "close"}
    try:
        connection.request(test.method, path, body, headers)
        response = connection.getresponse()
        return _Answer(response.status, response.read(LARGEST_ANSWER + 1))
    finally:
        connection.close()


def _ignore(asking: "asyncio.Future[_Answer]") -> None:
    if not asking.cancelled():
        asking.exception()
