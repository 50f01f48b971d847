"""From which sequence on the log is whole: what every reader of its past has to know.

A truncation says so in the log before it removes anything. Whoever reads on from a position asks after it has
read, so that nothing can be missing unnoticed.
"""

from typing import Final

from slipway_contracts import subjects
from slipway_contracts.installation_events import LogTruncated

from slipway_chassis.event_log import EventLog

_FIRST: Final = 1


async def whole_from(log: EventLog) -> int:
    """Return the sequence from which on the log has every message; 1 unless it was truncated.

    What somebody removed from its begin by other means counts as truncated, what he removed behind that is
    not seen.

    Raises:
        LogUnavailableError: no answer in time.
    """
    begin = max(_FIRST, await log.begin())
    stored = await log.last(subjects.LOG_TRUNCATIONS)
    message = stored.message if stored else None
    if stored is None or not isinstance(message, LogTruncated):
        return begin
    return max(begin, min(message.before, stored.sequence))
