"""How moves, releases and operations end without their effect, each exactly once. Pure.

An operation ends well with the last of its moves; what ends one of them otherwise ends it at once, and its
other moves go on quietly.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from slipway_contracts.desired import DesiredRelease
from slipway_contracts.events import (
    OperationCanceled,
    OperationFailed,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCanceled,
    ReleaseEvent,
    ReleaseFailed,
    ReleasePinned,
    ReleaseRetired,
    ReleaseSuperseded,
)
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import UNFINISHED_RELEASES, ReleaseState, move_release
from slipway_contracts.traffic import Move, releases_of

from slipway_deployer.desired.decision import Asked, Decision
from slipway_deployer.desired.needs import named

Owner = dict[str, str]


@dataclass(frozen=True)
class Superseded:
    """A newer command took its place."""

    by_operation: str
    state = ReleaseState.SUPERSEDED

    def of_release(self, owner: Owner, number: int) -> ReleaseEvent:
        """Return the end of a release."""
        return ReleaseSuperseded(**owner, release=number, by_operation=self.by_operation)

    def of_operation(self, owner: Owner, operation: str) -> OperationSuperseded:
        """Return the end of an operation."""
        return OperationSuperseded(**owner, operation=operation, by_operation=self.by_operation)


@dataclass(frozen=True)
class Canceled:
    """A user ended it."""

    by: str
    state = ReleaseState.CANCELED

    def of_release(self, owner: Owner, number: int) -> ReleaseEvent:
        """Return the end of a release."""
        return ReleaseCanceled(**owner, release=number, by=self.by)

    def of_operation(self, owner: Owner, operation: str) -> OperationCanceled:
        """Return the end of an operation."""
        return OperationCanceled(**owner, operation=operation, by=self.by)


@dataclass(frozen=True)
class Failed:
    """It could not have its effect."""

    failure: FailureRecord
    state = ReleaseState.FAILED

    def of_release(self, owner: Owner, number: int) -> ReleaseEvent:
        """Return the end of a release."""
        return ReleaseFailed(**owner, release=number, failure=self.failure)

    def of_operation(self, owner: Owner, operation: str) -> OperationFailed:
        """Return the end of an operation."""
        return OperationFailed(**owner, operation=operation, failure=self.failure)


Outcome = Superseded | Canceled | Failed


def dropped(decision: Decision, moves: Iterable[Move], outcome: Outcome) -> Decision:
    """Give these moves up, and with them the releases that nothing else names."""
    gone = tuple(moves)
    decision = decision.without_moves(*gone)
    for move in {move.operation: move for move in gone}.values():
        decision = _operation_ended(decision, move, outcome)
    return swept(decision, outcome)


def _operation_ended(decision: Decision, move: Move, outcome: Outcome) -> Decision:
    if move.operation_ended:
        return decision
    for other in [each for each in decision.desired.moves if each.operation == move.operation]:
        decision = decision.with_move(other.model_copy(update={"operation_ended": True}), instead_of=other)
    return decision.emit_for(move, outcome.of_operation(decision.owner, move.operation))


def succeeded(decision: Decision, move: Move) -> Decision:
    """Take a move away that has had its effect; the last one of its operation ends that well."""
    decision = decision.without_moves(move)
    others = any(each.operation == move.operation for each in decision.desired.moves)
    if others or move.operation_ended:
        return decision
    return decision.emit_for(move, OperationSucceeded(**decision.owner, operation=move.operation))


def failed(decision: Decision, release: DesiredRelease, failure: FailureRecord) -> Decision:
    """End a release before it got traffic, and the moves that need it; what served before still serves."""
    return ended(decision.changed(failed=True), release, Failed(failure))


def ended(decision: Decision, release: DesiredRelease, outcome: Outcome) -> Decision:
    """End a release on its way, pinned or not, and the moves that wait for it."""
    waiting = waiting_moves(decision, release.number)
    return dropped(_ended(decision, release, outcome), waiting, outcome)


def waiting_moves(decision: Decision, number: int) -> list[Move]:
    """Return the moves that wait for this release."""
    return [
        move for move in decision.desired.moves if number in releases_of(move.shares) and not move.shifted
    ]


def swept(decision: Decision, outcome: Outcome) -> Decision:
    """Let go of every release that nothing names any more.

    One that served drains; one that never did ends with this outcome.
    """
    names, routed = named(decision.desired), decision.desired.routed
    for release in decision.desired.releases:
        if release.number in names:
            continue
        if release.state in UNFINISHED_RELEASES and release.number not in routed:
            decision = _ended(decision, release, outcome)
        elif release.state is not ReleaseState.DRAINING or release.deadline_at is None:
            decision = pin_ended(decision, release, outcome)
            decision = decision.drained(release.model_copy(update={"awaited_by": None}))
    return decision.pruned()


def _ended(decision: Decision, release: DesiredRelease, outcome: Outcome) -> Decision:
    owner, number = decision.owner, release.number
    move_release(release.state, ReleaseState.RETIRED if release.restored else outcome.state)
    event = ReleaseRetired(**owner, release=number) if release.restored else outcome.of_release(owner, number)
    decision = decision.without_release(number)
    if release.workloads or not release.restored:
        decision = decision.emit_for(release, event)
    decision = pin_ended(decision, release, outcome)
    return unpinned(decision, number, by=release.created_by, asked=release)


def pin_ended(decision: Decision, release: DesiredRelease, outcome: Outcome) -> Decision:
    """End the operation of the pin that waits for this release."""
    if release.awaited_by is None:
        return decision
    event = outcome.of_operation(decision.owner, release.awaited_by)
    return decision.emit_for_pin(release, event)


def unpinned(decision: Decision, number: int, *, by: str, asked: Asked) -> Decision:
    """Take the pin from a release, if it has one."""
    if number not in decision.desired.pins:
        return decision
    pins = tuple(each for each in decision.desired.pins if each != number)
    event = ReleasePinned(**decision.owner, release=number, pinned=False, by=by)
    return decision.changed(pins=pins).emit_for(asked, event)
