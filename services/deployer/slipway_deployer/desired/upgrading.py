"""Records that an earlier release of the platform wrote, as this one has them. Pure."""

from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import UNFINISHED_RELEASES, ReleaseState
from slipway_contracts.traffic import LIVE_ALIAS, Move, TrafficShare, releases_of


def upgraded(desired: Desired) -> Desired:
    """Return a record of a platform without moves as one with them: its release on its way gets its move."""
    known = frozenset(desired.pins).union(*(releases_of(move.shares) for move in desired.moves))
    moves = list(desired.moves)
    for release in desired.releases:
        if release.state not in UNFINISHED_RELEASES or release.number in known:
            continue
        shifted = release.number in desired.routed
        moves.append(
            Move(
                alias=LIVE_ALIAS,
                shares=(TrafficShare(release=release.number, weight=100),),
                operation=release.operation,
                created_at=release.created_at,
                by=release.created_by,
                traceparent=release.traceparent,
                deadline_at=release.deadline_at if shifted else None,
                shifted=shifted,
                before=_served(desired) if shifted else (),
            )
        )
    return desired if len(moves) == len(desired.moves) else desired.model_copy(update={"moves": tuple(moves)})


def _served(desired: Desired) -> tuple[TrafficShare, ...]:
    live = [each.number for each in desired.releases if each.state is ReleaseState.LIVE]
    return (TrafficShare(release=live[-1], weight=100),) if live else ()
