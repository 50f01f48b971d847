"""Moves of aliases as commands make them: a newer one takes the place of what its alias waits for. Pure."""

from collections.abc import Sequence

from slipway_contracts.traffic import Move, TrafficShare

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.endings import Superseded, dropped
from slipway_deployer.desired.message import Incoming


def move_of(incoming: Incoming, by: str, alias: str, shares: tuple[TrafficShare, ...]) -> Move:
    """Return the move of an alias that a command asks for."""
    return Move(
        alias=alias,
        shares=shares,
        operation=incoming.operation,
        created_at=incoming.envelope.time,
        by=by,
        traceparent=incoming.traceparent,
    )


def superseding(decision: Decision, moves: Sequence[Move]) -> Decision:
    """Put these moves behind the others, and end what their aliases were waiting for.

    They are there before the older ones go: a release that both name goes on.
    """
    aliases = {move.alias for move in moves}
    older = [move for move in decision.desired.moves if move.alias in aliases and not move.shifted]
    for move in moves:
        decision = decision.with_move(move)
    return dropped(decision, older, Superseded(moves[0].operation)) if older else decision
