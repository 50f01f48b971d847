"""A decision under way: the desired state so far, and the messages that explain it.

Pure; nothing here reads a clock, a log or an engine.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, Self

from slipway_contracts.commands import CancelBuild, RemoveVersions
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.events import (
    Event,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    ReleaseDraining,
    TrafficShifted,
)
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import ReleaseState, move_release
from slipway_contracts.traffic import LIVE_ALIAS, AliasRoute, Move, TrafficShare

from slipway_deployer.desired.serving import going_on
from slipway_deployer.desired.workloads import pruned

Explanation = Event | CancelBuild | RemoveVersions
"""What a decision says beside the desired state."""


class Asked(Protocol):
    """What a command asked for: itself, its release, a move of an alias, settings that are to be applied."""

    @property
    def operation(self) -> str:
        """The command's operation."""
        ...

    @property
    def traceparent(self) -> str | None:
        """The command's trace."""
        ...


@dataclass(frozen=True)
class Emitted:
    """A message of the batch, and what it belongs to.

    Attributes:
        message: what is said.
        operation: that it tells of.
        traceparent: trace of the command that it is about.
        cause: id of the message that was decided with it; None: observations led to it.
    """

    message: Explanation | Desired
    operation: str | None
    traceparent: str | None
    cause: str | None = None


@dataclass(frozen=True)
class Decision:
    """Desired state and its explanation; each method returns the next decision.

    Attributes:
        desired: the state so far.
        at: the time of the decision.
        emitted: what explains it, in order.
        cause: id of the message that is being decided; None: observations are judged.
    """

    desired: Desired
    at: datetime
    emitted: tuple[Emitted, ...] = field(default=())
    cause: str | None = None

    @property
    def owner(self) -> dict[str, str]:
        """Group and deployment, as every event of it has them."""
        return {"group": self.desired.group, "deployment": self.desired.deployment}

    def changed(self, **changes: object) -> Self:
        """Change fields of the desired state."""
        return replace(self, desired=self.desired.model_copy(update=changes))

    def changed_to(self, desired: Desired) -> Self:
        """Put another desired state in its place."""
        return replace(self, desired=desired)

    def because_of(self, cause: str | None) -> Self:
        """Let what is said from here on be caused by the message of this id, or by none."""
        return replace(self, cause=cause)

    def emit(self, *messages: Explanation, operation: str | None, traceparent: str | None = None) -> Self:
        """Explain the change."""
        added = tuple(Emitted(message, operation, traceparent, self.cause) for message in messages)
        return replace(self, emitted=self.emitted + added)

    def emit_for(self, asked: Asked, *messages: Explanation) -> Self:
        """Explain what becomes of what a command asked for, in its trace."""
        return self.emit(*messages, operation=asked.operation, traceparent=asked.traceparent)

    def emit_for_pin(self, release: DesiredRelease, *messages: Explanation) -> Self:
        """Explain what becomes of the pin that waits for this release, in its trace."""
        trace = release.awaited_traceparent or release.traceparent
        return self.emit(*messages, operation=release.awaited_by, traceparent=trace)

    def emit_for_ending(self, *messages: Explanation) -> Self:
        """Explain what becomes of the stop or delete under way, in its trace."""
        ending, trace = self.desired.ending, self.desired.ending_traceparent
        return self.emit(*messages, operation=ending, traceparent=trace)

    def begun(self, asked: Asked) -> Self:
        """Say that an operation is under way."""
        return self.emit_for(asked, OperationStarted(**self.owner, operation=asked.operation))

    def done(self, asked: Asked) -> Self:
        """Say that an operation has had its effect."""
        return self.emit_for(asked, OperationSucceeded(**self.owner, operation=asked.operation))

    def refused(self, asked: Asked, failure: FailureRecord) -> Self:
        """Say that an operation could not have its effect."""
        event = OperationFailed(**self.owner, operation=asked.operation, failure=failure)
        return self.emit_for(asked, event)

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

    def with_move(self, move: Move, *, instead_of: Move | None = None) -> Self:
        """Put this move behind the others, or in the place of an earlier version of itself."""
        if instead_of is None:
            return self.changed(moves=(*self.desired.moves, move))
        return self.changed(moves=tuple(move if each == instead_of else each for each in self.desired.moves))

    def without_moves(self, *moves: Move) -> Self:
        """Forget moves that ended."""
        return self.changed(moves=tuple(each for each in self.desired.moves if each not in moves))

    def pruned(self) -> Self:
        """Drop what no kept release needs any more."""
        return replace(self, desired=pruned(self.desired, self.at))

    def drained(self, release: DesiredRelease) -> Self:
        """Let a release finish what it has, for at most the longest timeout of its endpoints."""
        timeouts = [each.timeout_seconds for each in release.version.endpoints] if release.version else []
        deadline = self.at + timedelta(seconds=max(timeouts, default=0.0))
        if release.state is ReleaseState.DRAINING:
            return self.with_release(release.model_copy(update={"deadline_at": deadline}))
        return self.moved(release, ReleaseState.DRAINING, deadline_at=deadline).emit_for(
            release, ReleaseDraining(**self.owner, release=release.number)
        )

    def pointed(self, alias: str, shares: tuple[TrafficShare, ...], *, asked: Asked) -> Self:
        """Send the requests of an alias to these releases; to none: the alias is gone."""
        if alias == LIVE_ALIAS:
            decision = self.changed(traffic=shares)
        else:
            routes = [each for each in self.desired.aliases if each.alias != alias]
            routes += [AliasRoute(alias=alias, shares=shares)] if shares else []
            decision = self.changed(aliases=tuple(sorted(routes, key=lambda each: each.alias)))
        serving = going_on(self.desired, alias, shares)
        event = TrafficShifted(**self.owner, alias=alias, shares=shares, serving=serving)
        return decision.emit_for(asked, event)
