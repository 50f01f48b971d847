"""A decision under way: the desired state so far, and the messages that explain it.

Pure; nothing here reads a clock, a log or an engine.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Self

from slipway_contracts.commands import CancelBuild
from slipway_contracts.desired import Desired, DesiredRelease, TrafficShare
from slipway_contracts.events import (
    Event,
    OperationCanceled,
    OperationFailed,
    OperationSuperseded,
    ReleaseCanceled,
    ReleaseDraining,
    ReleaseFailed,
    ReleaseSuperseded,
    TrafficShifted,
)
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import ReleaseState, move_release

from slipway_deployer.workloads import pruned


@dataclass(frozen=True)
class Emitted:
    """A message of the batch, and the operation and trace it belongs to."""

    message: Event | CancelBuild | Desired
    operation: str | None
    traceparent: str | None


@dataclass(frozen=True)
class Decision:
    """Desired state and its explanation; each method returns the next decision."""

    desired: Desired
    at: datetime
    emitted: tuple[Emitted, ...] = field(default=())

    def changed(self, **changes: object) -> Self:
        """Change fields of the desired state."""
        return replace(self, desired=self.desired.model_copy(update=changes))

    def changed_to(self, desired: Desired) -> Self:
        """Put another desired state in its place."""
        return replace(self, desired=desired)

    def emit(self, *messages: Event | CancelBuild, operation: str, traceparent: str | None) -> Self:
        """Explain the change."""
        added = tuple(Emitted(message, operation, traceparent) for message in messages)
        return replace(self, emitted=self.emitted + added)

    def emit_for(self, release: DesiredRelease, *messages: Event | CancelBuild) -> Self:
        """Explain a change of a release, in the trace of its command."""
        return self.emit(*messages, operation=release.operation, traceparent=release.traceparent)

    def with_release(self, release: DesiredRelease) -> Self:
        """Put this release in the place of the one with its number, or at the end."""
        others = [each for each in self.desired.releases if each.number != release.number]
        ordered = sorted([*others, release], key=lambda each: each.number)
        return self.changed(releases=tuple(ordered))

    def without_release(self, number: int) -> Self:
        """Forget a release that ended."""
        return self.changed(releases=tuple(each for each in self.desired.releases if each.number != number))

    def moved(self, release: DesiredRelease, state: ReleaseState, **changes: object) -> Self:
        """Move a release on."""
        state = move_release(release.state, state)
        return self.with_release(release.model_copy(update={"state": state, **changes}))

    def pruned(self) -> Self:
        """Drop what no kept release needs any more."""
        return replace(self, desired=pruned(self.desired, self.at))

    @property
    def owner(self) -> dict[str, str]:
        """Group and deployment, as every event of it has them."""
        return {"group": self.desired.group, "deployment": self.desired.deployment}

    def fail(self, release: DesiredRelease, failure: FailureRecord) -> Self:
        """End a release before it got traffic; what served before still serves."""
        move_release(release.state, ReleaseState.FAILED)
        return (
            self.without_release(release.number)
            .changed(failed=True)
            .pruned()
            .emit_for(
                release,
                ReleaseFailed(**self.owner, release=release.number, failure=failure),
                OperationFailed(**self.owner, operation=release.operation, failure=failure),
            )
        )

    def supersede(self, release: DesiredRelease, by_operation: str) -> Self:
        """End a release because a newer command came."""
        move_release(release.state, ReleaseState.SUPERSEDED)
        return (
            self.without_release(release.number)
            .pruned()
            .emit_for(
                release,
                ReleaseSuperseded(**self.owner, release=release.number, by_operation=by_operation),
                OperationSuperseded(**self.owner, operation=release.operation, by_operation=by_operation),
            )
        )

    def cancel(self, release: DesiredRelease, by: str) -> Self:
        """End a release because a user said so."""
        move_release(release.state, ReleaseState.CANCELED)
        return (
            self.without_release(release.number)
            .pruned()
            .emit_for(
                release,
                ReleaseCanceled(**self.owner, release=release.number, by=by),
                OperationCanceled(**self.owner, operation=release.operation, by=by),
            )
        )

    def drained(self, release: DesiredRelease) -> Self:
        """Let a release finish what it has, for at most the longest timeout of its endpoints."""
        timeouts = [each.timeout_seconds for each in release.version.endpoints] if release.version else []
        deadline = self.at + timedelta(seconds=max(timeouts, default=0.0))
        return self.moved(release, ReleaseState.DRAINING, deadline_at=deadline).emit_for(
            release, ReleaseDraining(**self.owner, release=release.number)
        )

    def shifted_to(self, release: DesiredRelease | None, *, operation: str, traceparent: str | None) -> Self:
        """Send all requests to this release; None: to nobody."""
        shares = () if release is None else (TrafficShare(release=release.number, weight=100),)
        return self.changed(traffic=shares).emit(
            TrafficShifted(**self.owner, shares=shares), operation=operation, traceparent=traceparent
        )

    def shifted_back(self, release: DesiredRelease) -> Self:
        """Give the requests of a release that never went live back to the one that served; it drains."""
        return self.shifted_to(
            self.desired.live, operation=release.operation, traceparent=release.traceparent
        ).drained(release)
