"""Requests to JetStream's JSON API, with its error codes as our error types.

Used where nats-py would wait for a timeout after a dropped connection, or has no call for the request.
Source of the codes: `server/errors.json` of nats-server.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import (
    ConflictError,
    DuplicateError,
    LogFullError,
    LogUnavailableError,
    MessageTooLargeError,
    SlipwayError,
)

_WRONG_LAST_SEQUENCE: Final = frozenset({10071, 10164})
_DUPLICATE_IN_BATCH: Final = 10201
_FULL: Final = frozenset({10002, 10023, 10028, 10047, 10077})
_TOO_LARGE: Final = frozenset({10054, 10097})
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = frozenset({500, 503})
_BROKEN_BATCH: Final = frozenset({10176, 10210})


class JetStreamError(SlipwayError):
    """JetStream refused a request for a reason that has no type of its own."""

    def __init__(self, message: str, *, code: int, err_code: int) -> None:
        super().__init__(message)
        self.code = code
        self.err_code = err_code


class NotFoundError(JetStreamError):
    """The stream, consumer or message does not exist."""


async def call(
    connection: Connection, verb: str, request: Mapping[str, object] | None = None, *, within: float
) -> dict[str, Any]:
    """Send an API request, as `STREAM.INFO.SLIPWAY`, and return its answer.

    Raises:
        NotFoundError: the thing asked for does not exist.
        JetStreamError: the request was refused.
        LogUnavailableError: no answer within `within` seconds.
    """
    payload = json.dumps(request).encode() if request is not None else b""
    reply = await connection.request(f"$JS.API.{verb}", payload, within=within)
    answer: dict[str, Any] = json.loads(reply.data)
    if "error" in answer:
        raise error_of(answer["error"], about=verb)
    return answer


async def publish(
    connection: Connection, subject: str, body: bytes, *, headers: Mapping[str, str], within: float
) -> dict[str, Any]:
    """Publish to whichever stream has the subject and return its confirmation, with `seq`.

    The confirmation is empty for a message that begins an atomic batch.

    Raises:
        ConflictError: an expected sequence does not hold.
        LogFullError: refused for lack of space.
        LogUnavailableError: no confirmation within `within` seconds; it may be stored or not.
    """
    reply = await connection.request(subject, body, headers=headers, within=within)
    answer: dict[str, Any] = json.loads(reply.data) if reply.data else {}
    if "error" in answer:
        raise error_of(answer["error"], about=f"publish on {subject}")
    return answer


def error_of(error: Mapping[str, Any], *, about: str) -> SlipwayError:
    """Return the exception for an `error` member of an answer."""
    code, err_code = int(error["code"]), int(error.get("err_code", 0))
    text = f"{about}: {error.get('description', 'no description')} ({err_code})"
    if err_code in _WRONG_LAST_SEQUENCE:
        return ConflictError(text)
    if err_code == _DUPLICATE_IN_BATCH:
        return DuplicateError(text)
    if err_code in _FULL:
        return LogFullError(f"{text}; free disk space below the store of NATS")
    if err_code in _TOO_LARGE:
        return MessageTooLargeError(text)
    if code in _UNAVAILABLE or err_code in _BROKEN_BATCH:
        return LogUnavailableError(text)
    if code == _NOT_FOUND:
        return NotFoundError(text, code=code, err_code=err_code)
    return JetStreamError(text, code=code, err_code=err_code)
