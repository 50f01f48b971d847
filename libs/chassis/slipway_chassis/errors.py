"""What can go wrong, as types: the type says what the acknowledgement middleware does with the message.

Anything that is neither transient nor permanent is a bug: it is logged with its stack and retried.
"""

from datetime import timedelta


class SlipwayError(Exception):
    """Root of every error that names a fact of the platform."""


class TransientError(SlipwayError):
    """Trying again later may help; in a handler: a negative acknowledgement with a delay.

    Args:
        message: the fact, and what would help.
        delay: time until the next try; None lets the middleware choose a growing one.
    """

    def __init__(self, message: str, *, delay: timedelta | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class PermanentError(SlipwayError):
    """Trying again cannot help; in a handler: the operation ends FAILED and `message.dead` is published."""


class ConflictError(TransientError):
    """The record changed since it was read: load it again, decide again."""

    def __init__(self, message: str, *, delay: timedelta | None = timedelta(milliseconds=50)) -> None:
        super().__init__(message, delay=delay)


class DuplicateError(TransientError):
    """A batch holds a message that the log has already: load again, find the decision made.

    Args:
        message: the fact.
        sequence: position of such a message, where it is known.
        delay: as of every transient error.
    """

    def __init__(
        self,
        message: str,
        *,
        sequence: int | None = None,
        delay: timedelta | None = timedelta(milliseconds=50),
    ) -> None:
        super().__init__(message, delay=delay)
        self.sequence = sequence


class LogUnavailableError(TransientError):
    """The log did not confirm in time; the message may be stored or not: repeat it with the same id."""


class LogFullError(TransientError):
    """The log refuses new messages because its disk or its limit is full; nothing was stored."""

    def __init__(self, message: str, *, delay: timedelta | None = timedelta(seconds=10)) -> None:
        super().__init__(message, delay=delay)


class LogTruncatedError(SlipwayError):
    """The log ends before a sequence that was already read: it was replaced, or it lost its tail."""


class MessageTooLargeError(PermanentError):
    """A message exceeds what the log takes in one piece."""


class BatchTooLargeError(PermanentError):
    """A batch has more messages than the log takes atomically."""


class LeaseLostError(SlipwayError):
    """The lease ran out or another process took it: what it protects must not be touched any more."""


class ProvisioningError(SlipwayError):
    """A stream, consumer or bucket exists with a configuration that cannot be changed into the wanted one."""


class BlobError(SlipwayError):
    """Root of what the blob store reports."""


class BlobMissingError(BlobError):
    """No blob with this digest is stored."""


class DigestMismatchError(BlobError):
    """The bytes that came are not those that were announced; nothing was stored."""


class IncomingMissingError(BlobError):
    """No such file was placed by hand."""


class IncomingRefusedError(BlobError):
    """A path does not lead to a plain file that was placed by hand."""


class IncomingUnsettledError(TransientError, BlobError):
    """A file that was placed by hand still changes; nothing was stored."""


class StorageFullError(TransientError, BlobError):
    """The file system of the blob store has no space left; nothing was stored."""

    def __init__(self, message: str, *, delay: timedelta | None = timedelta(seconds=10)) -> None:
        super().__init__(message, delay=delay)


class SecretMissingError(PermanentError):
    """A version of a secret is named that is not stored: never set, or removed."""


class SecretValueError(PermanentError):
    """A text cannot be the value of a secret; the message does not show it."""


class VaultLockedError(TransientError):
    """This service cannot open a secret; once an operator has put the right key in place, it can."""

    def __init__(self, message: str, *, delay: timedelta | None = timedelta(seconds=10)) -> None:
        super().__init__(message, delay=delay)
