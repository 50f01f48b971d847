"""The one log: confirmed publishing, linearizable reads, ordered following.

Knows streams and sequences, not what the messages mean. The parts are in `publishing`, `reading` and
`following`; this is the face that services see.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from slipway_contracts.topology import LOG

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.following import After, CaughtUp, Follower, LastPerSubject, New, Start
from slipway_chassis.pages import Page, Pages
from slipway_chassis.publishing import Publisher
from slipway_chassis.reading import Reader
from slipway_chassis.stored import Expect, Outgoing, Receipt, Stored
from slipway_chassis.telemetry import Telemetry

__all__ = [
    "After",
    "CaughtUp",
    "EventLog",
    "Expect",
    "LastPerSubject",
    "New",
    "Outgoing",
    "Page",
    "Receipt",
    "Start",
    "Stored",
]


class EventLog:
    """A stream as a log.

    Args:
        connection: the process' connection.
        telemetry: traces publishing; None: only passes trace ids on.
        stream: name of the stream.
        publish_timeout: seconds until an unconfirmed message is given up.
        read_timeout: seconds until an unanswered read is given up.
    """

    def __init__(
        self,
        *,
        connection: Connection,
        telemetry: Telemetry | None = None,
        stream: str = LOG.name,
        publish_timeout: float = 10.0,
        read_timeout: float = 5.0,
    ) -> None:
        self._connection = connection
        self._telemetry = telemetry or Telemetry()
        self._stream = stream
        self._read_timeout = read_timeout
        self._publisher = Publisher(connection=connection, stream=stream, timeout=publish_timeout)
        self._reader = Reader(connection=connection, stream=stream, timeout=read_timeout)

    @property
    def is_connected(self) -> bool:
        """Whether the connection works, as far as this process has noticed."""
        return self._connection.problem is None

    async def publish(self, outgoing: Outgoing) -> Receipt:
        """Publish one message and wait until it is stored.

        A repeat of an id within the dedup window stores nothing, nor does one whose expectation was ended
        by the first attempt: the receipt says `duplicate`.

        Raises:
            ConflictError: `outgoing.expect` does not hold.
            LogUnavailableError: not confirmed in time; it may be stored or not.
            LogFullError: refused for lack of space.
            MessageTooLargeError: the log takes no message of this size.
        """
        with self._telemetry.publishing(outgoing, stream=self._stream) as (traced,):
            return await self._publisher.publish(traced)

    async def publish_batch(self, batch: Sequence[Outgoing]) -> Receipt:
        """Publish one to 1000 messages so that all are stored, in this order and next to each other, or none.

        The receipt is that of the last message.

        Raises:
            ConflictError: an expectation does not hold.
            DuplicateError: the log has one of the messages already, perhaps from this very batch, stored by
                an attempt whose confirmation was lost; its `sequence` is known where the message has an
                expectation. A batch of one reports it in the receipt instead.
            LogUnavailableError: not confirmed in time; it may be stored or not.
            LogFullError: refused for lack of space.
            BatchTooLargeError: more than 1000 messages.
        """
        with self._telemetry.publishing(*batch, stream=self._stream) as traced:
            return await self._publisher.publish_batch(traced)

    async def last(self, subject: str) -> Stored | None:
        """Return the last message of a subject, wildcards allowed.

        Raises:
            LogUnavailableError: no answer in time.
        """
        return await self._reader.last(subject)

    async def last_per_subject(self, *filters: str) -> list[Stored]:
        """Return the last message of each subject below the filters, ordered by sequence.

        Raises:
            LogUnavailableError: no answer in time.
        """
        latest: dict[str, Stored] = {}
        try:
            async with aclosing(self.follow(*filters, start=LastPerSubject())) as items:
                while True:
                    async with asyncio.timeout(self._read_timeout):
                        item = await anext(items)
                    if isinstance(item, CaughtUp):
                        break
                    latest[item.subject] = item
        except TimeoutError:
            raise LogUnavailableError(f"reading {', '.join(filters)} got no further") from None
        return sorted(latest.values(), key=lambda stored: stored.sequence)

    def read(self, subject: str, *, after: int) -> AsyncIterator[Stored]:
        """Return the messages of a subject or filter with a greater sequence, to the present end, in order.

        One request each: for few messages. To read much, follow until `CaughtUp`.

        Raises:
            LogUnavailableError: no answer in time.
        """
        return self._reader.read(subject, after=after)

    def pages(self, subject: str, *, after: int, most: int, size: int) -> AsyncGenerator[Page]:
        """Return the messages of a filter with a greater sequence, to the present end, page by page.

        A page has at most `most` messages and `size` bytes, or one message. The next one is read when it is
        asked for, so a slow reader holds one; an outage is waited for. Use `contextlib.aclosing`.
        """
        return Pages(
            connection=self._connection,
            stream=self._stream,
            subject=subject,
            after=after,
            most=most,
            size=size,
            timeout=self._read_timeout,
        ).read()

    async def get(self, sequence: int) -> Stored | None:
        """Return the message at a position, if it is there.

        Raises:
            LogUnavailableError: no answer in time.
        """
        return await self._reader.get(sequence)

    async def begin(self) -> int:
        """Return the first sequence that is there; behind the last where nothing is, 0 if nothing ever was.

        Raises:
            LogUnavailableError: no answer in time.
            NotFoundError: the stream is not provisioned.
        """
        return await self._reader.begin()

    async def end(self) -> int:
        """Return the last sequence; 0 for an empty log.

        Raises:
            LogUnavailableError: no answer in time.
            NotFoundError: the stream is not provisioned.
        """
        return await self._reader.end()

    def follow(self, *filters: str, start: Start) -> AsyncGenerator[Stored | CaughtUp]:
        """Deliver forever, in order, without gap or repeat, whatever happens to server and connection.

        `CaughtUp` comes once, when all that was there at the start has been delivered; at once when there
        was nothing. Use `contextlib.aclosing` when leaving early.

        Raises:
            LogTruncatedError: the log ends before what was already read.
        """
        return Follower(
            connection=self._connection,
            stream=self._stream,
            filters=filters,
            start=start,
            timeout=self._read_timeout,
        ).follow()
