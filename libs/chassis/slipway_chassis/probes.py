"""The small HTTP server of every process: `/healthz`, `/readyz`, `/metrics`.

Not a web framework: GET, three paths, one answer per connection; it costs a service no import.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from slipway_chassis.logs import get_logger
from slipway_chassis.metrics import Metrics

Check = Callable[[], Awaitable[str | None]]
_WORDS: Final = 3
_REQUEST_SECONDS: Final = 5.0
_CHECK_SECONDS: Final = 2.0
_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_HINT: Final = b"see /healthz, /readyz, /metrics\n"
_log: Final = get_logger()


class Probes:
    """Health, readiness and metrics of one process.

    A readiness check returns None while its part works, else what is wrong and what to do.
    """

    def __init__(self, *, metrics: Metrics) -> None:
        self._metrics = metrics
        self._checks: dict[str, Check] = {}
        self._server: asyncio.Server | None = None

    def add(self, name: str, check: Check) -> None:
        """Make readiness depend on this check; a check of the same name is replaced."""
        self._checks[name] = check

    async def problems(self) -> dict[str, str]:
        """Return what each failing check says; empty when ready."""
        checks = dict(self._checks)
        answers = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
        return {name: answer for name, answer in zip(checks, answers, strict=True) if answer is not None}

    async def start(self, *, host: str, port: int) -> int:
        """Listen and return the port, which the system picks for 0."""
        self._server = await asyncio.start_server(self._serve, host, port)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                async with asyncio.timeout(_REQUEST_SECONDS):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_response(*await self._answer(_path(head))))
                    await writer.drain()
        finally:
            writer.close()

    async def _answer(self, path: str | None) -> tuple[HTTPStatus, str, bytes]:
        match path:
            case "/healthz":
                return HTTPStatus.OK, _JSON, b'{"status":"ok"}\n'
            case "/readyz":
                problems = await self.problems()
                status = HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK
                body = {"status": "waiting" if problems else "ready", "problems": problems}
                return status, _JSON, json.dumps(body).encode() + b"\n"
            case "/metrics":
                return HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", self._metrics.render()
            case None:
                return HTTPStatus.BAD_REQUEST, _TEXT, _HINT
            case _:
                return HTTPStatus.NOT_FOUND, _TEXT, _HINT


async def _ask(name: str, check: Check) -> str | None:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {_CHECK_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the other checks still count
        _log.exception("a readiness check failed", check=name)
        return f"{type(error).__name__}: {error}"


def _path(head: bytes) -> str | None:
    """Return the path of a request; None: this is none."""
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    return words[1].partition("?")[0] if len(words) == _WORDS else None


def _response(status: HTTPStatus, kind: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
