"""Messages of the log made ready for the tables: whatever came, something can be stored.

A message that cannot be read is kept as it is and folded into nothing; it never stops the log.
"""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pydantic_core import from_json
from slipway_chassis.event_log import CaughtUp
from slipway_chassis.stored import NAMELESS, Stored, nameless_id
from slipway_contracts import subjects
from slipway_contracts.codec import MESSAGE_TYPES, AnyMessage, parse
from slipway_contracts.envelope import Envelope, Origin

_BATCH: Final = "Nats-Batch-Id"
_COMMIT: Final = "Nats-Batch-Commit"
_NUL_ESCAPE: Final = b"\\u0000"
_REPLACEMENT: Final = "\ufffd"
_CLIPPED: Final = 200


@dataclass(slots=True, kw_only=True)
class Logged:
    """A message at its position: the values of its row in the table `event`, and what is folded.

    Attributes:
        about: subject of the envelope, empty: it has none; None: its group and deployment.
        message: the typed body; None where there is nothing to fold.
        envelope: who says it; None where the headers are broken.
        problem: why it is not folded; None where it is.
    """

    sequence: int
    id: str
    type: str
    subject: str
    group: str | None
    deployment: str | None
    about: str | None = None
    source: str
    time: datetime
    causation_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    origin: Origin | None = None
    body: str
    message: AnyMessage | None = None
    envelope: Envelope | None = None
    problem: str | None = None

    def set_aside(self, problem: str) -> "Logged":
        """Return it in a form that every table takes, to be folded into nothing."""
        return replace(
            self,
            id=nameless_id(self.sequence),
            type=self.type[:_CLIPPED],
            source=self.source[:_CLIPPED],
            group=None,
            deployment=None,
            about="",
            causation_id=None,
            correlation_id=None,
            traceparent=None,
            origin=None,
            body=json.dumps(self.body),
            message=None,
            problem=problem,
        )


def read(stored: Stored) -> Logged:
    """Read a message of the log; raises nothing, whatever it holds."""
    try:
        envelope = stored.envelope
    except ValueError as error:
        return _without_envelope(stored, f"no usable envelope: {error}")
    if envelope.type not in MESSAGE_TYPES:
        problem = "a type that this release does not know"
        return _logged(stored, envelope, _json_or_text(stored.data), problem=problem)
    try:
        data = _without_nul(stored.data)
        message = parse(envelope.type, data)
    except ValueError as error:
        return _logged(stored, envelope, _text(stored.data), problem=str(error)[:_CLIPPED])
    return _logged(stored, envelope, data.decode(), message=message)


async def read_whole(
    items: AsyncGenerator[Stored | CaughtUp],
) -> AsyncGenerator[Sequence[Logged | CaughtUp]]:
    """Read messages as they come; those of one atomic batch at once, and what lies between them too.

    The server has stored all of a batch before it delivers any, each with the batch's id and the last with
    the mark of its commit: NATS ADR-50. Where the last was deleted from the log, whatever follows ends it.
    """
    whole: list[Logged | CaughtUp] = []
    batch: str | None = None
    async with aclosing(items):
        async for item in items:
            if isinstance(item, CaughtUp):
                if whole:
                    whole.append(item)
                else:
                    yield (item,)
                continue
            before, batch = batch, item.headers.get(_BATCH)
            if whole and batch != before:
                yield whole
                whole = []
            whole.append(read(item))
            if batch is None or _COMMIT in item.headers:
                yield whole
                whole = []


def _logged(
    stored: Stored,
    envelope: Envelope,
    body: str,
    *,
    message: AnyMessage | None = None,
    problem: str | None = None,
) -> Logged:
    group, deployment = _owner(stored.subject)
    owner = "/".join(part for part in (group, deployment) if part)
    return Logged(
        sequence=stored.sequence,
        id=envelope.id,
        type=envelope.type,
        subject=stored.subject,
        group=group,
        deployment=deployment,
        about=None if envelope.subject == owner else envelope.subject,
        source=envelope.source,
        time=envelope.time,
        causation_id=envelope.causation_id,
        correlation_id=envelope.correlation_id,
        traceparent=envelope.traceparent,
        origin=envelope.origin,
        body=body,
        message=message,
        envelope=envelope,
        problem=problem,
    )


def _without_envelope(stored: Stored, problem: str) -> Logged:
    group, deployment = _owner(stored.subject)
    return Logged(
        sequence=stored.sequence,
        id=nameless_id(stored.sequence),
        type=NAMELESS,
        subject=stored.subject,
        group=group,
        deployment=deployment,
        about="",
        source=NAMELESS,
        time=stored.time,
        body=_json_or_text(stored.data),
        problem=problem,
    )


def _owner(subject: str) -> tuple[str | None, str | None]:
    group, deployment = subjects.owner_of(subject)
    return (
        None if group == subjects.NONE else group,
        None if deployment == subjects.NONE else deployment,
    )


def _json_or_text(data: bytes) -> str:
    try:
        clean = _without_nul(data)
        from_json(clean, allow_inf_nan=False)
    except ValueError:
        return _text(data)
    return clean.decode()


def _text(data: bytes) -> str:
    """Return the bytes as a JSON string."""
    return json.dumps(data.decode(errors="replace").replace("\0", _REPLACEMENT))


def _without_nul(data: bytes) -> bytes:
    """Return the same JSON without NUL characters, which no text of Postgres can hold: log lines may."""
    if _NUL_ESCAPE not in data:
        return data
    return json.dumps(_replaced(from_json(data))).encode()


def _replaced(value: Any) -> Any:  # noqa: ANN401
    match value:
        case str():
            return value.replace("\0", _REPLACEMENT)
        case list():
            return [_replaced(item) for item in value]
        case dict():
            return {_replaced(key): _replaced(item) for key, item in value.items()}
        case _:
            return value
