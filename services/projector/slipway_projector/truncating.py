"""Removes from the log what a snapshot has and nobody needs there any more: how far, what, and the deed.

The log says first that it is truncated, then it is. A truncation that was interrupted is finished by the
next one; repeated, it removes nothing else.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError, SlipwayError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.truncation import whole_from
from slipway_contracts import subjects
from slipway_contracts.installation_events import LogTruncated
from slipway_contracts.topology import LOG
from slipway_store.connections import connect

from slipway_projector.expendable import expendable
from slipway_projector.log_state import LogState, first_since
from slipway_projector.rebuilding import position
from slipway_projector.snapshooting import Operator, Taken
from slipway_projector.waiting import waiting

_DELETE: Final = f"$JS.API.STREAM.MSG.DELETE.{LOG.name}"
_HOUR: Final = timedelta(hours=1)
_WITHIN: Final = 10.0
_ATTEMPTS: Final = 6
_PAUSE_SECONDS: Final = 1.0
_AT_ONCE: Final = 256
_TOLD_EVERY: Final = 100_000


class TruncationError(SlipwayError):
    """NATS does not remove messages."""


@dataclass(frozen=True)
class Bound:
    """The log must stay whole from this sequence on, and why."""

    sequence: int
    reason: str


async def bounds(connection: Connection, log: EventLog, url: str) -> list[Bound]:
    """Return how far the log may be truncated now.

    Raises:
        LogUnavailableError: no answer in time.
    """
    # Who waits is asked last: what comes after the state was read lies behind every bound.
    state = await LogState.read(connection)
    held = await position(url)
    young = await first_since(log, state.at - state.known_again, end=state.last)
    hours = state.known_again / _HOUR
    found = [
        Bound(held + 1, f"the tables hold the log up to {held}"),
        Bound(young, f"what is younger than {hours:g} h is known again by its id, by the log alone"),
    ]
    return found + [
        Bound(each.since, f"{each.who} has not had what comes then")
        for each in await waiting(connection, log)
    ]


@dataclass(frozen=True)
class Truncation:
    """What a truncation does.

    Attributes:
        before: from this sequence on the log stays whole.
        whole: from this one it is whole now.
        sequences: what goes, in order.
        bound: why not as much as was wished; None: as much.
    """

    before: int
    whole: int
    sequences: Sequence[int]
    bound: Bound | None = None

    @property
    def does_something(self) -> bool:
        """Whether anything is to be removed or said."""
        return bool(self.sequences)


async def planned(log: EventLog, url: str, *, wished: int, within: Sequence[Bound]) -> Truncation:
    """Decide what goes, at most all before `wished`; changes nothing.

    Raises:
        LogUnavailableError: no answer in time.
    """
    whole = await whole_from(log)
    tightest = min(within, key=lambda bound: bound.sequence)
    before = max(min(wished, tightest.sequence), whole)
    connection = await connect(url)
    try:
        found = await expendable(connection, before=before)
    finally:
        await connection.close()
    there = await _present(log, before=whole)
    return Truncation(
        before=before,
        whole=whole,
        sequences=[each for each in found if each >= whole or each in there],
        bound=tightest if tightest.sequence < wished else None,
    )


async def _present(log: EventLog, *, before: int) -> frozenset[int]:
    """Return what there still is where the log is not whole any more."""
    found: set[int] = set()
    if before > 1:
        async with aclosing(log.follow(subjects.ALL, start=After(0))) as items:
            async for item in items:
                if isinstance(item, CaughtUp) or item.sequence >= before:
                    break
                found.add(item.sequence)
    return frozenset(found)


async def announce(log: EventLog, truncation: Truncation, taken: Taken, operator: Operator) -> None:
    """Say in the log that it is truncated, unless that is said already.

    Raises:
        ConflictError: another process truncates.
    """
    last = await log.last(subjects.LOG_TRUNCATIONS)
    if await whole_from(log) >= truncation.before:
        return
    message = LogTruncated(
        before=truncation.before,
        snapshot=taken.digest,
        snapshot_sequence=taken.manifest.sequence,
        messages=len(truncation.sequences),
        by=operator.account,
    )
    await log.publish(operator.outgoing(message, last.sequence if last else 0))


async def require_right(connection: Connection) -> None:
    """Find out, before anything is done, whether this user of NATS may remove messages.

    Raises:
        TruncationError: it may not, or the stream lets nobody.
        LogUnavailableError: NATS does not answer.
    """
    if (await LogState.read(connection)).is_closed:
        raise TruncationError(
            f"stream {LOG.name} is sealed or denies deletes: nothing can be removed from it"
        )
    try:
        await _asked(connection, 0)
    except LogUnavailableError as error:
        raise TruncationError(
            f"NATS does not let this user remove messages, or does not answer ({error}); "
            "give SLIPWAY_NATS_USER one that owns the streams"
        ) from error


async def remove(
    connection: Connection,
    log: EventLog,
    sequences: Sequence[int],
    *,
    told: Callable[[int], None] = lambda _: None,
) -> None:
    """Remove messages, oldest first; those that are gone already are no error.

    Args:
        connection: of a user that may.
        log: tells what is gone.
        sequences: the messages.
        told: gets the number of those removed, now and then.

    Raises:
        TruncationError: NATS refused; what is left goes with the next truncation.
        LogUnavailableError: NATS stopped answering; the same.
    """
    for start in range(0, len(sequences), _AT_ONCE):
        batch = sequences[start : start + _AT_ONCE]
        outcomes = await asyncio.gather(
            *(_removed(connection, log, each) for each in batch), return_exceptions=True
        )
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        done = start + len(batch)
        if done % _TOLD_EVERY < _AT_ONCE:
            told(done)


async def _removed(connection: Connection, log: EventLog, sequence: int) -> None:
    for attempt in range(_ATTEMPTS):
        try:
            refusal = await _asked(connection, sequence)
            # The same code stands for "no such message" and for any other reason.
            if refusal is None or await log.get(sequence) is None:
                return
        except LogUnavailableError:
            if attempt == _ATTEMPTS - 1:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            raise TruncationError(f"NATS does not remove message {sequence}: {refusal}")


async def _asked(connection: Connection, sequence: int) -> str | None:
    """Ask the server to remove a message; return why it did not."""
    request = json.dumps({"seq": sequence, "no_erase": True}).encode()
    reply = await connection.request(_DELETE, request, within=_WITHIN)
    error = json.loads(reply.data).get("error")
    return None if error is None else str(error.get("description"))
