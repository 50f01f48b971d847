"""What a fold reads of a message beside its body: where it stands in the log, and whose it is."""

from datetime import datetime
from typing import Protocol

from slipway_contracts.codec import AnyMessage


class Told(Protocol):
    """A message at its position: on its way into the tables, or read back from them."""

    @property
    def sequence(self) -> int:
        """Its position in the log."""

    @property
    def id(self) -> str:
        """Of its envelope."""

    @property
    def time(self) -> datetime:
        """Of its envelope: no fold has another clock."""

    @property
    def correlation_id(self) -> str | None:
        """Id of the command that began it all."""

    @property
    def message(self) -> AnyMessage | None:
        """The typed body; None where there is nothing to fold."""
