"""What the stream says of the log: how much there is, and where a time lies in it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Self

from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_contracts import subjects
from slipway_contracts.topology import LOG

_WITHIN: Final = 10.0
_MICROSECONDS: Final = 1000
_EVERYTHING: Final = subjects.ALL


@dataclass(frozen=True, kw_only=True)
class LogState:
    """How much there is.

    Attributes:
        first: sequence of the first message that is there; behind `last` where there is none.
        last: sequence of the last message that ever was.
        at: when the server said so, by its clock.
        known_again: for so long the server knows a message again by its id; it has to be there for that.
        is_closed: nothing may be removed.
    """

    at: datetime
    first: int
    last: int
    messages: int
    size_bytes: int
    first_at: datetime | None
    last_at: datetime | None
    known_again: timedelta
    is_closed: bool

    @classmethod
    async def read(cls, connection: Connection) -> Self:
        """Ask the server.

        Raises:
            LogUnavailableError: no answer in time.
        """
        answer = await call(connection, f"STREAM.INFO.{LOG.name}", within=_WITHIN)
        state, config = answer["state"], answer["config"]
        has_any = state["messages"] > 0
        return cls(
            at=datetime.fromisoformat(answer["ts"]),
            first=state["first_seq"],
            last=state["last_seq"],
            messages=state["messages"],
            size_bytes=state["bytes"],
            first_at=datetime.fromisoformat(state["first_ts"]) if has_any else None,
            last_at=datetime.fromisoformat(state["last_ts"]) if has_any else None,
            known_again=timedelta(microseconds=config.get("duplicate_window", 0) // _MICROSECONDS),
            is_closed=config.get("deny_delete", False) or config.get("sealed", False),
        )


async def first_since(log: EventLog, moment: datetime, *, end: int) -> int:
    """Return a sequence before which every message was stored before a moment, as late as there is one.

    The clock is the server's. Asks the log once per halving.

    Raises:
        LogUnavailableError: no answer in time.
    """
    older, younger = 0, end
    while older < younger:
        middle = (older + younger) // 2
        async for stored in log.read(_EVERYTHING, after=middle):
            if stored.time < moment:
                older = stored.sequence
            else:
                younger = middle
            break
        else:
            younger = middle
    return older + 1
