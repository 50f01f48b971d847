"""Cancel: what is on its way ends, and what served before serves on. Pure."""

from slipway_contracts.commands import Cancel, CancelBuild
from slipway_contracts.desired import DesiredRelease
from slipway_contracts.names import derived_id

from slipway_deployer.commands.refusals import nothing_to_cancel
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.endings import Canceled, dropped, ended
from slipway_deployer.desired.message import Incoming
from slipway_deployer.desired.shifts import shifted_back
from slipway_deployer.desired.starting import waiting_for_builds


def cancel(decision: Decision, incoming: Incoming, command: Cancel) -> Decision:
    """End every move that waits for its releases; where there is none, take back those under way."""
    desired, outcome = decision.desired, Canceled(command.by)
    waiting = [move for move in desired.moves if not move.shifted]
    builds = waiting_for_builds(decision.desired)
    if waiting or desired.unfinished:
        decision = dropped(decision, waiting, outcome)
        for release in decision.desired.unfinished:
            decision = ended(decision, release, outcome)
    elif desired.shifting:
        decision = _taken_back(decision, outcome)
    else:
        return decision.refused(incoming, nothing_to_cancel(command.deployment, decision.at))
    for release in builds:
        decision = decision.emit_for(release, _cancel_build(decision, incoming, command, release))
    return decision.done(incoming)


def _taken_back(decision: Decision, outcome: Canceled) -> Decision:
    while decision.desired.shifting:
        # Taken from the record each time: the end of another move may have ended its operation.
        decision = shifted_back(decision, decision.desired.shifting[0], outcome)
    return decision


def _cancel_build(
    decision: Decision, incoming: Incoming, command: Cancel, release: DesiredRelease
) -> CancelBuild:
    build = release.build or ""
    return CancelBuild(
        **decision.owner,
        by=command.by,
        request_digest=derived_id(incoming.operation, build),
        build=build,
    )
