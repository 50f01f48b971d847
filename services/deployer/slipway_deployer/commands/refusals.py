"""Why a command has no effect, as failure records. Pure."""

from collections.abc import Sequence
from datetime import datetime

from slipway_contracts.failure import FailureRecord, Reason, Stage


def nothing_to_cancel(deployment: str, at: datetime) -> FailureRecord:
    """Say that nothing is on its way."""
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.NOTHING_TO_CANCEL,
        message=f"Nothing of {deployment} is on its way.",
        hint=f"See what runs with: slipway show {deployment}",
        at=at,
    )


def unknown_releases(numbers: Sequence[int], at: datetime) -> FailureRecord:
    """Say which releases the command names that do not run, and that it does not say how to start."""
    names = ", ".join(map(str, numbers))
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.RELEASE_UNKNOWN,
        message=f"The command names release {names}, which ended before the command was decided.",
        hint="Send the command again.",
        at=at,
    )


def not_running(deployment: str, at: datetime) -> FailureRecord:
    """Say that a stopped deployment has no aliases and pins to change."""
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.DEPLOYMENT_STOPPED,
        message=f"{deployment} was stopped before the command was decided.",
        hint=f"Start it, then send the command again: slipway start {deployment}",
        at=at,
    )


def purged(deployment: str, at: datetime) -> FailureRecord:
    """Say that nothing is left to bring back."""
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.RELEASE_NOT_RESTORABLE,
        message=f"{deployment} was purged: its images and its history are gone.",
        hint="Deploy it anew from its source: slipway deploy PATH",
        at=at,
    )


def unreadable(problem: str, sequence: int, at: datetime) -> FailureRecord:
    """Say that this release of the platform does not know the command."""
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.MESSAGE_DEAD,
        message=f"The deployer cannot read this command: {problem}",
        hint=f"See the message with: slipway dead show {sequence}. Upgrade the deployer to the release of "
        "the api, then send the command again.",
        at=at,
    )


def dead(error: str, deliveries: int, sequence: int, at: datetime) -> FailureRecord:
    """Say that no delivery of the command came to an end."""
    return FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.MESSAGE_DEAD,
        message=f"The deployer gave up after {deliveries} deliveries: {error}",
        hint=f"See the message with: slipway dead show {sequence}. Once the cause is gone, send it again "
        f"with: slipway dead retry {sequence}",
        at=at,
    )
