"""Removes from the log what a snapshot has and nobody needs there any more: how far, what, and the deed.

The log says first that it is truncated, then it is. A truncation that was interrupted is finished by the
next one; repeated, it removes nothing else.
"""

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError, SlipwayError
from slipway_chassis.event_log import EventLog
from slipway_chassis.truncation import whole_from
from slipway_contracts import subjects
from slipway_contracts.installation_events import LogTruncated
from slipway_contracts.topology import LOG
from slipway_store.connections import connect

from slipway_projector.database import LONGEST_SECONDS
from slipway_projector.rebuilds.rebuilding import position
from slipway_projector.upkeep.announcing import Announcer
from slipway_projector.upkeep.expendable import expendable
from slipway_projector.upkeep.going import Going, remains
from slipway_projector.upkeep.log_state import LogState, first_since
from slipway_projector.upkeep.snapshotting import Taken
from slipway_projector.upkeep.waiting import waiting

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
        going: what goes, as long as the plan is open.
        bound: why not as much as was wished; None: as much.
    """

    before: int
    whole: int
    going: Going
    bound: Bound | None = None

    @property
    def messages(self) -> int:
        """How many go; without any, nothing is said either."""
        return self.going.count


@asynccontextmanager
async def planned(
    log: EventLog, url: str, *, wished: int, within: Sequence[Bound]
) -> AsyncIterator[Truncation]:
    """Decide what goes, at most all before `wished`; changes nothing.

    Raises:
        LogUnavailableError: no answer in time.
    """
    whole = await whole_from(log)
    tightest = min(within, key=lambda bound: bound.sequence)
    before = max(min(wished, tightest.sequence), whole)
    connection = await connect(url, statement_seconds=LONGEST_SECONDS)
    try:
        going = await Going.empty(connection)
        async with (
            aclosing(expendable(connection, before=before)) as pages,
            remains(log, before=whole) as there,
        ):
            async for page in pages:
                await going.add([each for each in page if await there.holds(each)])
        bound = tightest if tightest.sequence < wished else None
        yield Truncation(before=before, whole=whole, going=going, bound=bound)
    finally:
        await connection.close()


async def announce(announcer: Announcer, truncation: Truncation, taken: Taken) -> None:
    """Say in the log that it is truncated, unless that is said already.

    Raises:
        ConflictError: another process truncates.
        LogFullError: the log has no room for it, and none can be made.
    """
    log = announcer.log
    last = await log.last(subjects.LOG_TRUNCATIONS)
    if await whole_from(log) >= truncation.before:
        return
    message = LogTruncated(
        before=truncation.before,
        snapshot=taken.digest,
        snapshot_sequence=taken.manifest.sequence,
        messages=truncation.messages,
        by=announcer.operator.account,
    )
    await announcer.announce(message, expect=last.sequence if last else 0)


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
    pages: AsyncIterable[Sequence[int]],
    *,
    told: Callable[[int], None] = lambda _: None,
) -> None:
    """Remove messages, oldest first; those that are gone already are no error.

    Args:
        connection: of a user that may.
        log: tells what is gone.
        pages: the messages, page by page.
        told: gets the number of those removed, now and then.

    Raises:
        TruncationError: NATS refused; what is left goes with the next truncation.
        LogUnavailableError: NATS stopped answering; the same.
    """
    done = 0
    async for page in pages:
        for start in range(0, len(page), _AT_ONCE):
            batch = page[start : start + _AT_ONCE]
            outcomes = await asyncio.gather(
                *(_removed(connection, log, each) for each in batch), return_exceptions=True
            )
            for outcome in outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            done += len(batch)
            if done % _TOLD_EVERY < len(batch):
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
