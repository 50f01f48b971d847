"""Whether the log is still the one that the tables were made of."""

from slipway_chassis.event_log import EventLog
from slipway_chassis.stored import nameless_id
from slipway_chassis.truncation import whole_from
from slipway_store.rows import CheckpointRow

from slipway_projector.errors import OtherLogError
from slipway_projector.logged import read

_ADVICE = "restore the log, or make the tables anew with `slipway projections rebuild`"


async def verify(log: EventLog, checkpoint: CheckpointRow) -> int:
    """Compare the log with the checkpoint; return the end of the log.

    Raises:
        OtherLogError: the log is shorter, holds another message where the checkpoint stands, or lacks what
            comes next because it was truncated.
        LogUnavailableError: no answer in time.
    """
    end = await log.end()
    if end < checkpoint.sequence:
        raise OtherLogError(
            f"the log ends at {end}, but the tables hold everything up to {checkpoint.sequence}; {_ADVICE}"
        )
    whole = await whole_from(log)
    if checkpoint.sequence + 1 < whole:
        raise OtherLogError(
            f"the log is truncated before {whole}, but the tables hold only what came up to "
            f"{checkpoint.sequence}; make them anew with `slipway projections rebuild`"
        )
    if checkpoint.sequence == 0:
        return end
    stored = await log.get(checkpoint.sequence)
    ids = {read(stored).id, nameless_id(checkpoint.sequence)} if stored else set()
    if checkpoint.event_id not in ids:
        found = f"message {read(stored).id}" if stored else "no message"
        raise OtherLogError(
            f"the log has {found} at {checkpoint.sequence}, but the tables were made of a log with "
            f"{checkpoint.event_id} there; {_ADVICE}"
        )
    return end
