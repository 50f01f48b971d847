"""Confirmed publishing: one message, or several as one atomic batch.

A message that was sent and not confirmed is sent again with the same id until the time is up. Decides
nothing: a conflict is reported, never resolved here. Source of the batch headers: NATS ADR-50.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from slipway_contracts.codec import encode
from slipway_contracts.envelope import new_id

from slipway_chassis.connection import Connection
from slipway_chassis.errors import BatchTooLargeError, ConflictError, DuplicateError, LogUnavailableError
from slipway_chassis.jetstream_api import publish
from slipway_chassis.reading import Reader
from slipway_chassis.stored import Outgoing, Receipt

BATCH_LIMIT: Final = 1000
_ATTEMPT_SECONDS: Final = 5.0
_PAUSE_SECONDS: Final = 0.05


class Publisher:
    """Publishes to one stream.

    Args:
        connection: the process' connection.
        stream: the stream that every message must end in.
        timeout: seconds until an unconfirmed message is given up.
    """

    def __init__(self, *, connection: Connection, stream: str, timeout: float) -> None:
        self._connection = connection
        self._reader = Reader(connection=connection, stream=stream, timeout=timeout)
        self._stream = stream
        self._timeout = timeout

    async def publish(self, outgoing: Outgoing) -> Receipt:
        """Publish one message; see `EventLog.publish`."""
        headers, body = self._headers(outgoing), encode(outgoing.message)
        try:
            return await self._until_confirmed(
                lambda left: self._confirm(outgoing.subject, body, headers, left)
            )
        except ConflictError:
            sequence = await self._stored_under_guard(outgoing)
            if sequence is None:
                raise
            return Receipt(sequence=sequence, duplicate=True)

    async def publish_batch(self, batch: Sequence[Outgoing]) -> Receipt:
        """Publish all or nothing; see `EventLog.publish_batch`."""
        if not batch:
            raise ValueError("a batch has at least one message")
        if len(batch) > BATCH_LIMIT:
            raise BatchTooLargeError(f"{len(batch)} messages in one batch; the log takes {BATCH_LIMIT}")
        if len(batch) == 1:
            return await self.publish(batch[0])
        bodies = [encode(outgoing.message) for outgoing in batch]
        try:
            return await self._until_confirmed(lambda left: self._attempt_batch(batch, bodies, left))
        except (ConflictError, DuplicateError) as error:
            for outgoing in batch:
                sequence = await self._stored_under_guard(outgoing)
                if sequence is not None:
                    raise DuplicateError(str(error), sequence=sequence) from error
            raise

    async def _stored_under_guard(self, outgoing: Outgoing) -> int | None:
        """Return where this very message is, if it was the one that ended what it expected.

        The server looks at the expectation before it looks for duplicates, so a repeat arrives as a conflict.
        """
        if outgoing.expect is None:
            return None
        guarded = outgoing.expect.subject or outgoing.subject
        async for first in self._reader.read(guarded, after=outgoing.expect.sequence):
            return first.sequence if first.headers.get("Nats-Msg-Id") == outgoing.envelope.id else None
        return None

    async def _until_confirmed(self, attempt: Callable[[float], Awaitable[Receipt]]) -> Receipt:
        deadline = time.monotonic() + self._timeout
        while True:
            left = max(deadline - time.monotonic(), _PAUSE_SECONDS)
            try:
                return await attempt(min(left, _ATTEMPT_SECONDS))
            except LogUnavailableError:
                if time.monotonic() + _PAUSE_SECONDS >= deadline:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _attempt_batch(
        self, batch: Sequence[Outgoing], bodies: Sequence[bytes], left: float
    ) -> Receipt:
        # A new id for each attempt: the server may still hold the unfinished batch of the previous one.
        identity = new_id()
        messages = [
            (outgoing.subject, body, self._headers(outgoing, identity, position))
            for position, (outgoing, body) in enumerate(zip(batch, bodies, strict=True), start=1)
        ]
        first, *middle, last = messages
        subject, body, headers = first
        await publish(self._connection, subject, body, headers=headers, within=left)
        for subject, body, headers in middle:
            await self._connection.send(subject, body, headers=headers)
        subject, body, headers = last
        return await self._confirm(subject, body, headers | {"Nats-Batch-Commit": "1"}, left)

    async def _confirm(self, subject: str, body: bytes, headers: dict[str, str], within: float) -> Receipt:
        answer = await publish(self._connection, subject, body, headers=headers, within=within)
        return Receipt(sequence=int(answer["seq"]), duplicate=bool(answer.get("duplicate", False)))

    def _headers(self, outgoing: Outgoing, batch: str | None = None, position: int = 0) -> dict[str, str]:
        headers = outgoing.envelope.to_headers() | {"Nats-Expected-Stream": self._stream}
        if outgoing.expect is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(outgoing.expect.sequence)
            if outgoing.expect.subject is not None:
                headers["Nats-Expected-Last-Subject-Sequence-Subject"] = outgoing.expect.subject
        if batch is not None:
            headers |= {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(position)}
        return headers
