"""What a deployer decides on: a message, where it stands in the log, and who sent it."""

from dataclasses import dataclass

from slipway_contracts.commands import AnyDeployerCommand
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import BuildEnd


@dataclass(frozen=True)
class Unreadable:
    """A command that this release of the platform cannot read."""

    group: str
    deployment: str
    problem: str


@dataclass(frozen=True)
class GivenUp:
    """A command whose operation has ended, because no delivery of it came to an end."""

    group: str
    deployment: str


DeployerMessage = AnyDeployerCommand | BuildEnd | Unreadable | GivenUp


@dataclass(frozen=True)
class Incoming:
    """One message to decide on."""

    sequence: int
    envelope: Envelope
    message: DeployerMessage

    @property
    def operation(self) -> str:
        """The operation of a command: it has the command's id."""
        return self.envelope.id

    @property
    def traceparent(self) -> str | None:
        """The trace of whoever sent it."""
        return self.envelope.traceparent
