"""What stops or interrupts the projector, as types."""

from slipway_chassis.errors import SlipwayError
from slipway_store.rows import CheckpointRow


class CheckpointMovedError(SlipwayError):
    """Another process writes the same tables: drop what is in memory, read the checkpoint again."""


class StoppedError(SlipwayError):
    """Going on would write lies; an operator has to act, and the message says how."""


class NewerFoldError(StoppedError):
    """The tables were made by the fold of a newer release."""


class OlderFoldError(StoppedError):
    """The tables were made by the fold of an older release, up to `checkpoint`."""

    def __init__(self, message: str, *, checkpoint: CheckpointRow) -> None:
        super().__init__(message)
        self.checkpoint = checkpoint


class OtherLogError(StoppedError):
    """The log is not the one that the tables were made of, or it lost its tail."""


class UnreadableRowError(StoppedError):
    """A table holds a row that the fold did not make."""


class NotMigratedError(StoppedError):
    """The tables are not those of this release."""
