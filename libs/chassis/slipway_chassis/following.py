"""Ordered following of a stream, across restarts of the server, without gap or repeat.

Each session is one ephemeral push consumer with flow control and heartbeats. Whatever disturbs a session
(reconnect, missed heartbeat, a hole in the consumer's own numbering) ends it, and the next one begins after
the last message delivered. Source of the protocol: NATS ADR-15 and ADR-17.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogTruncatedError, LogUnavailableError, TransientError
from slipway_chassis.jetstream_api import NotFoundError, call
from slipway_chassis.logs import get_logger
from slipway_chassis.nats_client import Msg, NatsError, Subscription
from slipway_chassis.reading import Reader
from slipway_chassis.stored import Stored, delivery_of

_HEARTBEAT_SECONDS: Final = 2.0
_SILENCE_SECONDS: Final = 2.5 * _HEARTBEAT_SECONDS
_ABANDONED_SECONDS: Final = 30.0
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 2.0
_UNKNOWN: Final = -1
_PENDING_BYTES: Final = 128 << 20
_NANOSECONDS: Final = 1_000_000_000

_log: Final = get_logger()


@dataclass(frozen=True)
class After:
    """Begin with the first message behind this sequence; 0: with the first of all."""

    sequence: int


@dataclass(frozen=True)
class LastPerSubject:
    """Begin with the last message of each subject, then go on with every new one."""


@dataclass(frozen=True)
class New:
    """Begin with the first message that comes from now on."""


Start = After | LastPerSubject | New


@dataclass(frozen=True)
class CaughtUp:
    """Everything up to this sequence, the end of the log when the following began, was delivered."""

    sequence: int


class _SessionEndedError(Exception):
    """The consumer of this session can no longer be trusted; the next one goes on."""


class Follower:
    """Follows filters of one stream from a start position.

    Args:
        connection: the process' connection.
        stream: the stream.
        filters: subjects with wildcards, which must not overlap.
        start: where to begin.
        timeout: seconds until an unanswered request ends a session.
    """

    def __init__(
        self, *, connection: Connection, stream: str, filters: Sequence[str], start: Start, timeout: float
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._filters = filters
        self._timeout = timeout
        self._reader = Reader(connection=connection, stream=stream, timeout=timeout)
        self._start = start
        self._delivered = start.sequence if isinstance(start, After) else 0
        self._goal = _UNKNOWN
        self._caught_up = False

    async def follow(self) -> AsyncGenerator[Stored | CaughtUp]:
        """Deliver forever; see `EventLog.follow`."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            session = _Session(connection=self._connection, stream=self._stream)
            try:
                existing = await self._open(session)
                pause = _FIRST_PAUSE_SECONDS
                async with aclosing(self._deliver(session, existing=existing)) as items:
                    async for item in items:
                        yield item
            except (TransientError, NotFoundError, _SessionEndedError) as error:
                _log.info("following starts over", stream=self._stream, because=str(error))
            finally:
                await session.close()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _open(self, session: "_Session") -> int:
        """Create the session's consumer and return how many messages wait for it."""
        end = await self._reader.end()
        if isinstance(self._start, New):
            self._start, self._delivered = After(end), end
        elif self._delivered:
            self._start = After(self._delivered)
        if self._delivered > end:
            raise LogTruncatedError(
                f"stream {self._stream} ends at {end}, but {self._delivered} was already read; "
                "it was replaced or lost its tail: start again from the beginning"
            )
        existing = await session.open(self._filters, self._start, within=self._timeout)
        if self._goal is _UNKNOWN:
            # A subject may change before the consumer exists: its last message then lies behind that end.
            late = existing > 0 and isinstance(self._start, LastPerSubject)
            self._goal = await self._reader.end() if late else end
        return existing

    async def _deliver(self, session: "_Session", *, existing: int) -> AsyncGenerator[Stored | CaughtUp]:
        if existing == 0 and not self._caught_up:
            self._caught_up = True
            yield CaughtUp(self._goal)
        async for stored, pending in session.messages():
            if stored.sequence <= self._delivered:
                continue
            if not self._caught_up and stored.sequence > self._goal:
                self._caught_up = True
                yield CaughtUp(self._goal)
            self._delivered = stored.sequence
            yield stored
            if not self._caught_up and (pending == 0 or stored.sequence == self._goal):
                self._caught_up = True
                yield CaughtUp(self._goal)


class _Session:
    """One ephemeral push consumer, from its creation to the first disturbance."""

    def __init__(self, *, connection: Connection, stream: str) -> None:
        self._connection = connection
        self._stream = stream
        self._name = f"follow-{secrets.token_hex(8)}"
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._subscription: Subscription | None = None
        self._received = 0

    async def open(self, filters: Sequence[str], start: After | LastPerSubject, *, within: float) -> int:
        await self._connection.wait_up(within=within)
        # Listening before anything is asked: a reconnect between creation and the first message ends it too.
        self._connection.add_listener(self._interrupt)
        inbox = self._connection.nc.new_inbox()
        try:
            self._subscription = await self._connection.nc.subscribe(
                inbox, cb=self._arrived.put, pending_bytes_limit=_PENDING_BYTES
            )
        except NatsError as error:
            raise LogUnavailableError(f"cannot subscribe: {error}") from error
        request = {"stream_name": self._stream, "config": self._config(filters, start, inbox)}
        verb = f"CONSUMER.CREATE.{self._stream}.{self._name}"
        answer = await call(self._connection, verb, request, within=within)
        return int(answer["num_pending"]) + int(answer["delivered"]["consumer_seq"])

    def _config(self, filters: Sequence[str], start: After | LastPerSubject, inbox: str) -> dict[str, object]:
        config: dict[str, object] = {
            "name": self._name,
            "deliver_subject": inbox,
            "filter_subjects": list(filters),
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "flow_control": True,
            "idle_heartbeat": int(_HEARTBEAT_SECONDS * _NANOSECONDS),
            "inactive_threshold": int(_ABANDONED_SECONDS * _NANOSECONDS),
            "mem_storage": True,
            "num_replicas": 1,
        }
        match start:
            case After(sequence=0):
                return config | {"deliver_policy": "all"}
            case After(sequence=sequence):
                return config | {"deliver_policy": "by_start_sequence", "opt_start_seq": sequence + 1}
            case LastPerSubject():
                return config | {"deliver_policy": "last_per_subject"}

    async def messages(self) -> AsyncGenerator[tuple[Stored, int]]:
        """Return each message and how many more wait behind it.

        Raises:
            _SessionEndedError: order or completeness can no longer be promised.
        """
        while True:
            message = await self._next()
            headers = message.headers or {}
            if headers.get("Status") == "100":
                await self._answer_control(message, headers)
                continue
            if "Status" in headers:
                raise _SessionEndedError(f"{headers['Status']} {headers.get('Description', '')}")
            delivery = delivery_of(message)
            self._received += 1
            if delivery.number != self._received:
                raise _SessionEndedError("messages were dropped on the way")
            yield delivery.stored, delivery.pending

    async def _next(self) -> Msg:
        if self._arrived.empty():
            try:
                async with asyncio.timeout(_SILENCE_SECONDS):
                    message = await self._arrived.get()
            except TimeoutError:
                raise _SessionEndedError("no heartbeat came") from None
        else:
            message = self._arrived.get_nowait()
        if message is None:
            raise _SessionEndedError("the connection was replaced")
        return message

    async def _answer_control(self, message: Msg, headers: dict[str, str]) -> None:
        delivered = headers.get("Nats-Last-Consumer")
        if delivered is not None and int(delivered) != self._received:
            raise _SessionEndedError("the last messages were dropped on the way")
        # A flow control request is answered in its turn: the server sends no more than we have worked off.
        reply = message.reply or headers.get("Nats-Consumer-Stalled")
        if reply:
            await self._connection.send(reply)

    def _interrupt(self) -> None:
        self._arrived.put_nowait(None)

    async def close(self) -> None:
        """Stop listening and remove the consumer, if it can be told; the server forgets it by itself."""
        self._connection.remove_listener(self._interrupt)
        if self._subscription is None or self._connection.nc.is_closed:
            return
        with suppress(NatsError):
            await self._subscription.unsubscribe()
        with suppress(LogUnavailableError):
            await self._connection.send(f"$JS.API.CONSUMER.DELETE.{self._stream}.{self._name}")
