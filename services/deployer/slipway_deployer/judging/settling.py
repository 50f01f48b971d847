"""Settings that the gateways have applied, and names whose time is over. Pure."""

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import settling_failure
from slipway_deployer.desired.observed import Observed


def settled(decision: Decision, observed: Observed) -> Decision:
    """End the operations of settings that every gateway has applied, or not in time: the settings stand."""
    for each in decision.desired.settling:
        left = tuple(other for other in decision.desired.settling if other != each)
        if observed.applied:
            decision = decision.changed(settling=left).done(each)
        elif decision.at >= each.deadline_at:
            failure = settling_failure(observed.silent, decision.at)
            decision = decision.changed(settling=left).refused(each, failure)
    return decision


def without_expired_names(decision: Decision) -> Decision:
    """Forget the names whose time is over."""
    desired = decision.desired
    left = tuple(each for each in desired.former_names if each.until > decision.at)
    return decision if left == desired.former_names else decision.changed(former_names=left)
