"""Reads how far an operator wants the log truncated: a sequence, a time, or an age."""

import re
from datetime import datetime, timedelta
from typing import Final

from slipway_chassis.event_log import EventLog

from slipway_projector.upkeep.log_state import LogState, first_since

_AGE: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


async def sequence_of(text: str, log: EventLog, state: LogState) -> int:
    """Return the sequence that is meant; times and ages are by the clock of the server.

    Raises:
        ValueError: it is none of the three, or an age from before the year 1.
        LogUnavailableError: no answer in time.
    """
    if text.isascii() and text.isdigit():
        return min(int(text), state.last + 1)
    return await first_since(log, _moment(text, state.at), end=state.last)


def _moment(text: str, at: datetime) -> datetime:
    if age := _AGE.fullmatch(text):
        return _before(at, timedelta(**{_UNITS[age[2]]: int(age[1])}), text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise ValueError(
            f"{text!r} is no sequence, as 4711, no time with its offset, as 2026-01-31T12:00:00Z, "
            "and no age, as 30d or 12h"
        )
    return found


def _before(at: datetime, age: timedelta, text: str) -> datetime:
    try:
        return at - age
    except OverflowError:
        raise ValueError(f"{text!r} is older than the calendar; give a shorter age, as 30d") from None
