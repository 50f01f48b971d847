"""The shift of an alias: the gateways are told, and confirm; or it is taken back. Pure."""

from datetime import timedelta

from slipway_contracts.events import OperationSucceeded, ReleaseLive
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.release import DEFAULT_DEADLINE_SECONDS
from slipway_contracts.traffic import Move, most_of, releases_of

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.endings import Outcome, Superseded, dropped, succeeded, swept
from slipway_deployer.desired.needs import named
from slipway_deployer.desired.serving import serving_of


def deadline_of(decision: Decision, move: Move) -> timedelta:
    """Return how long a move may wait: as long as the most patient of its releases."""
    releases = (decision.desired.release(number) for number in releases_of(move.shares))
    longest = max((each.config.deadline_seconds for each in releases if each is not None), default=None)
    return timedelta(seconds=DEFAULT_DEADLINE_SECONDS if longest is None else longest)


def shifted(decision: Decision, move: Move) -> Decision:
    """Tell the gateways to send the alias' requests where the move leads."""
    told = move.model_copy(
        update={
            "shifted": True,
            "before": decision.desired.shares_of(move.alias),
            "deadline_at": decision.at + deadline_of(decision, move),
        }
    )
    return decision.with_move(told, instead_of=move).pointed(move.alias, move.shares, asked=move)


def finished(decision: Decision, move: Move) -> Decision:
    """The gateways send requests as the move says: what it names is live, what nothing names drains."""
    for number in sorted(releases_of(move.shares)):
        decision = live(decision, number, move)
    decision = succeeded(decision.changed(failed=False), move)
    return swept(decision, Superseded(move.operation))


def live(decision: Decision, number: int, move: Move | None = None) -> Decision:
    """Say that a release serves, if it did not yet; the pin that waited for it has its effect.

    It serves by its alias' move, or by the URL of its version alone.
    """
    release = decision.desired.release(number)
    if release is None or release.state is ReleaseState.LIVE:
        return decision
    seconds = max(0.0, (decision.at - release.created_at).total_seconds())
    most = move is not None and most_of(move.shares) == number
    serving = serving_of(decision.desired, move.alias, move.shares, move.before) if move and most else None
    event = ReleaseLive(**decision.owner, release=number, seconds=seconds, serving=serving)
    decision = decision.moved(release, ReleaseState.LIVE, deadline_at=None, awaited_by=None)
    decision = decision.emit_for(release, event)
    if release.awaited_by is None:
        return decision
    done = OperationSucceeded(**decision.owner, operation=release.awaited_by)
    return decision.emit_for_pin(release, done)


def shifted_back(decision: Decision, move: Move, outcome: Outcome) -> Decision:
    """Give the alias' requests back to what served; a release that may have got some drains."""
    decision = decision.pointed(move.alias, move.before, asked=move).without_moves(move)
    names = named(decision.desired)
    for number in sorted(releases_of(move.shares) - names):
        release = decision.desired.release(number)
        if release is not None and release.state is ReleaseState.READY:
            decision = decision.drained(release)
    return dropped(decision.with_move(move), [move], outcome)
