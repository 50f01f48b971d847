"""The events with which a build, and the operations that wait for it, end: each list is one batch."""

from collections.abc import Sequence

from slipway_contracts.commands import CancelBuild
from slipway_contracts.events import (
    BuildCanceled,
    BuildFailed,
    BuildSucceeded,
    Event,
    OperationCanceled,
    OperationFailed,
    OperationSucceeded,
)
from slipway_contracts.failure import FailureRecord
from slipway_contracts.version import Version


def succeeded(version: Version, seconds: float) -> Sequence[Event]:
    """The build made a version, `seconds` after it began."""
    place = {"group": version.group, "deployment": version.deployment}
    return (
        OperationSucceeded(**place, operation=version.build),
        BuildSucceeded(**place, build=version.build, version=version, seconds=seconds),
    )


def failed(owner: tuple[str, str], build: str, failure: FailureRecord) -> Sequence[Event]:
    """The build ended without a version; `owner` is (group, deployment)."""
    place = {"group": owner[0], "deployment": owner[1]}
    return (
        OperationFailed(**place, operation=build, failure=failure),
        BuildFailed(**place, build=build, failure=failure),
    )


def not_canceled(owner: tuple[str, str], operation: str, failure: FailureRecord) -> Event:
    """The cancel ended without its effect."""
    return OperationFailed(group=owner[0], deployment=owner[1], operation=operation, failure=failure)


def canceled(command: CancelBuild, operation: str) -> Sequence[Event]:
    """A user ended the build; the cancel itself, `operation`, has its effect."""
    place = {"group": command.group, "deployment": command.deployment}
    return (
        OperationSucceeded(**place, operation=operation),
        OperationCanceled(**place, operation=command.build, by=command.by),
        BuildCanceled(**place, build=command.build, by=command.by),
    )
