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


DeployerMessage = AnyDeployerCommand | BuildEnd | Unreadable


@dataclass(frozen=True)
class Inbox:
    """One message to decide on."""

    sequence: int
    envelope: Envelope
    message: DeployerMessage
