"""Times that clients give: aware, and none that the calendar does not have in UTC."""

from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """Return a time in UTC.

    Raises:
        ValueError: it has no offset, or is before the year 1 or behind the year 9999 in UTC.
    """
    if moment.tzinfo is None:
        raise ValueError("must have an offset, as Z")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies beyond the calendar in UTC") from None
