"""What a newer release wrote and this one cannot read: nothing is decided without it."""

from typing import Final

from pydantic import ValidationError
from slipway_chassis.stored import Stored
from slipway_contracts.codec import AnyMessage, UnknownMessageError
from slipway_contracts.envelope import MalformedEnvelopeError
from slipway_contracts.evolve import DeploymentFacts
from slipway_store import rows

from slipway_api.refusing import problems

HINT: Final = "Finish the upgrade: run the api in the newest release of any service, then repeat the request."
_OF_THE_PROJECTION: Final = frozenset(
    {
        DeploymentFacts.__name__,
        *(name for name, kind in vars(rows).items() if isinstance(kind, type) and issubclass(kind, rows.Row)),
    }
)


def read(stored: Stored) -> AnyMessage:
    """Return the message of a record on which something is decided.

    Raises:
        RecordUnreadableError: a newer release of the platform wrote it.
    """
    message = stored.readable
    if message is None:
        kind, writer = stored.headers.get("ce-type"), stored.headers.get("ce-source")
        raise problems.RecordUnreadableError(
            f"The log has at {stored.sequence} a record ({kind}, of {writer}) that this release of the api "
            "cannot read, and what was asked for depends on it.",
            hint=HINT,
            sequence=stored.sequence,
            subject=stored.subject,
            record_type=kind,
            writer=writer,
        )
    return message


def problem_of(error: Exception) -> problems.RecordUnreadableError | None:
    """Return the refusal for an error of reading what is stored; None: it is another error."""
    match error:
        case UnknownMessageError() | MalformedEnvelopeError():
            return problems.RecordUnreadableError(
                f"The log has a record that this release of the api cannot read: {error}.", hint=HINT
            )
        case ValidationError() if error.title in _OF_THE_PROJECTION:
            return problems.RecordUnreadableError(
                f"The projection has a row ({error.title}) that this release of the api cannot read.",
                hint=HINT,
                row=error.title,
            )
        case _:
            return None
