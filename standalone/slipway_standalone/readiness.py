"""Whether a process is ready to serve, asked in its own protocol; each check says why it is not."""

import asyncio
import contextlib
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from slipway_standalone.credentials import POSTGRES_PROJECTOR
from slipway_standalone.folder import Installation
from slipway_standalone.postgres import DATABASE
from slipway_standalone.runtime import RuntimeFolder

Check = Callable[[], Awaitable[str | None]]
"""None when ready, else the reason in a few words."""

_ANSWER_SECONDS: Final = 4.0
_LONGEST_REASON: Final = 300
_PROTOCOL_3: Final = 196608


def check_of(installation: Installation, program: str) -> Check:
    """How to see that a server or service of an installation is ready."""
    ports = installation.ports
    match program:
        case "nats":
            return nats(ports["nats"])
        case "postgres":
            return postgres(ports["postgres"], user=POSTGRES_PROJECTOR, database=DATABASE)
        case "envoy":
            return http("/ready", socket_path=RuntimeFolder(Path(installation.runtime or "")).envoy_admin)
        case service:
            return http("/readyz", port=ports[f"{service}-probe"])


def nats(port: int) -> Check:
    """The server sends its INFO line to whoever connects."""

    async def check() -> str | None:
        async with _connection(port=port) as (reader, _):
            line = await reader.readline()
        return None if line.startswith(b"INFO") else "no INFO line"

    return _guarded(check)


def postgres(port: int, *, user: str, database: str) -> Check:
    """The server asks for a password as soon as it takes sessions; until then it refuses with a reason."""
    parameters = f"user\0{user}\0database\0{database}\0\0".encode()
    start_up = struct.pack("!ii", len(parameters) + 8, _PROTOCOL_3) + parameters

    async def check() -> str | None:
        async with _connection(port=port) as (reader, writer):
            writer.write(start_up)
            answer = await reader.read(1024)
        return None if answer.startswith(b"R") else _refusal(answer)

    return _guarded(check)


def http(path: str, *, port: int = 0, socket_path: Path | None = None) -> Check:
    """A GET that answers 200; the body of another answer is the reason."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()

    async def check() -> str | None:
        async with _connection(port=port, socket_path=socket_path) as (reader, writer):
            writer.write(request)
            answer = await reader.read()
        head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
        status = head.partition("\r\n")[0]
        return None if " 200" in status else _problems(body) or status or "empty answer"

    return _guarded(check)


def _guarded(check: Check) -> Check:
    async def guarded() -> str | None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await check()
        except TimeoutError:
            return f"no answer within {_ANSWER_SECONDS:.0f} s"
        except (ConnectionRefusedError, FileNotFoundError):
            return "it does not listen yet"
        except OSError as error:
            return str(error.strerror or error).lower()

    return guarded


@asynccontextmanager
async def _connection(
    *, port: int = 0, socket_path: Path | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    if socket_path is None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    else:
        reader, writer = await asyncio.open_unix_connection(socket_path)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _problems(body: str) -> str:
    """What a probe's body says is wrong; other bodies in one line."""
    try:
        problems = json.loads(body)["problems"]
        text = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        text = " ".join(body.split())
    return text[:_LONGEST_REASON]


def _refusal(answer: bytes) -> str:
    """The message field of a Postgres error response."""
    fields = answer[5:].split(b"\0")
    messages = [field[1:].decode(errors="replace") for field in fields if field.startswith(b"M")]
    return messages[0] if messages else "unknown answer"
