"""Asks a replica whether it answers: one connection, or one request. Judges nothing."""

import asyncio
import errno
import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

HOST: Final = "127.0.0.1"
TIMEOUT_SECONDS: Final = 1.0
_REST_SECONDS: Final = 0.2
_LARGEST_ANSWER: Final = 1 << 16
_GOOD: Final = range(200, 400)


class Outcome(StrEnum):
    """What a probe met."""

    ANSWERED = "answered"
    REFUSED = "refused"
    SILENT = "silent"
    REJECTED = "rejected"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Probe:
    """An outcome, and what to say about it."""

    outcome: Outcome
    detail: str | None = None


def connect(port: int) -> Probe:
    """Try to connect. Only a refusal is a no: a server too busy to accept keeps its callers waiting."""
    with socket.socket() as connection:
        connection.setblocking(False)
        error = connection.connect_ex((HOST, port))
        if error == errno.EINPROGRESS:
            error = connection.connect_ex((HOST, port))
    if error == errno.ECONNREFUSED:
        return refused(port)
    return Probe(Outcome.ANSWERED)


def refused(port: int) -> Probe:
    """Return the outcome for a port on which nobody listens."""
    return Probe(Outcome.REFUSED, f"Nothing listens on port {port}.")


async def get(port: int, path: str) -> Probe:
    """Ask for a path; good is an answer of 2xx or 3xx within a second."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await get_patiently(port, path, set())
    except TimeoutError:
        detail = f"The connection was accepted, but GET {path} got no answer within {TIMEOUT_SECONDS:g} s."
        return Probe(Outcome.SILENT, detail)


async def get_patiently(port: int, path: str, own_ports: set[int]) -> Probe:
    """Ask for a path and wait for the answer for ever; `own_ports` gets the port that asks."""
    try:
        status = await _status(port, f"GET {path}", own_ports)
    except ConnectionRefusedError:
        return refused(port)
    except OSError as error:
        return Probe(Outcome.REJECTED, f"GET {path} was cut off: {error.strerror}.")
    if status is None:
        return Probe(Outcome.REJECTED, f"GET {path} was answered with something that is not HTTP.")
    if status not in _GOOD:
        return Probe(Outcome.REJECTED, f"GET {path} was answered with status {status}.")
    return Probe(Outcome.ANSWERED)


async def ping_patiently(port: int, own_ports: set[int]) -> Probe:
    """Ask for a sign of life and wait for it for ever: any answer is one, also an error or a hang-up.

    `OPTIONS *` concerns no resource (RFC 9110, 9.3.7): it makes no model predict anything.
    """
    try:
        await _status(port, "OPTIONS *", own_ports)
    except ConnectionRefusedError:
        return refused(port)
    except OSError:
        return Probe(Outcome.ANSWERED)
    return Probe(Outcome.ANSWERED)


async def _status(port: int, question: str, own_ports: set[int]) -> int | None:
    loop = asyncio.get_running_loop()
    with socket.socket() as connection:
        connection.setblocking(False)
        await loop.sock_connect(connection, (HOST, port))
        own_ports.add(connection.getsockname()[1])
        request = (
            f"{question} HTTP/1.1\r\nHost: {HOST}:{port}\r\nUser-Agent: slipway\r\nConnection: close\r\n\r\n"
        )
        await loop.sock_sendall(connection, request.encode())
        answer = b""
        while b"\n" not in answer:
            data = await loop.sock_recv(connection, 4096)
            if not data:
                return None
            answer += data
        await _read_rest(connection, len(answer))
    fields = answer.split(b" ", 2)
    return int(fields[1][:3]) if fields[0].startswith(b"HTTP/") and fields[1][:3].isdigit() else None


async def _read_rest(connection: socket.socket, size: int) -> None:
    """Let the server finish its answer: closing early would look to it like a client that broke."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_REST_SECONDS):
            while size < _LARGEST_ANSWER and (data := await loop.sock_recv(connection, 1 << 14)):
                size += len(data)
    except (TimeoutError, OSError):
        return
