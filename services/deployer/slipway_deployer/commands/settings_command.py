"""Configure: what is said about the deployment as a whole, and the names it is called by. Pure.

What the gateways have to know is done when they have applied it: until then a revoked key still opens.
"""

from datetime import timedelta
from typing import Final

from slipway_contracts.commands import Configure
from slipway_contracts.deployment_settings import FormerName
from slipway_contracts.desired import Desired, Settling
from slipway_contracts.events import (
    DeploymentConfigured,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
)
from slipway_contracts.lifecycle import Wanted

from slipway_deployer.commands.refusals import purged
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import settling_failure
from slipway_deployer.desired.message import Inbox
from slipway_deployer.desired.observed import Observed

APPLIED_WITHIN: Final = timedelta(seconds=60)


def configure(decision: Decision, inbox: Inbox, command: Configure) -> Decision:
    """Take the new settings; a name that changed is routed on for the grace time that they give."""
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    if decision.desired.wanted is Wanted.PURGED:
        return decision.refused(operation, purged(command.deployment, decision.at), trace)
    former = decision.desired
    grace = timedelta(seconds=command.settings.rename_grace_seconds)
    decision = decision.changed(settings=command.settings)
    names = former.former_names
    if decision.desired.name != former.name and grace:
        names = (*_others(names, former.name), FormerName(name=former.name, until=decision.at + grace))
    names = _others(names, decision.desired.name)
    told = DeploymentConfigured(
        **decision.owner, settings=command.settings, former_names=names, by=command.by
    )
    decision = decision.changed(former_names=names).emit(told, operation=operation, traceparent=trace)
    if not _concerns_gateways(former, decision.desired):
        done = OperationSucceeded(**decision.owner, operation=operation)
        return decision.emit(done, operation=operation, traceparent=trace)
    begun = OperationStarted(**decision.owner, operation=operation)
    settling = Settling(operation=operation, deadline_at=decision.at + APPLIED_WITHIN, traceparent=trace)
    return decision.changed(settling=(*decision.desired.settling, settling)).emit(
        begun, operation=operation, traceparent=trace
    )


def _concerns_gateways(before: Desired, after: Desired) -> bool:
    """Whether requests are routed or let in differently."""
    return (before.name, before.former_names, before.settings.access) != (
        after.name,
        after.former_names,
        after.settings.access,
    )


def settled(decision: Decision, observed: Observed) -> Decision:
    """End the operations of settings that every gateway has applied, or not in time: the settings stand."""
    for each in decision.desired.settling:
        event: OperationSucceeded | OperationFailed
        if observed.applied:
            event = OperationSucceeded(**decision.owner, operation=each.operation)
        elif decision.at >= each.deadline_at:
            failure = settling_failure(observed.silent, decision.at)
            event = OperationFailed(**decision.owner, operation=each.operation, failure=failure)
        else:
            continue
        left = tuple(other for other in decision.desired.settling if other != each)
        decision = decision.changed(settling=left).emit(
            event, operation=each.operation, traceparent=each.traceparent
        )
    return decision


def _others(names: tuple[FormerName, ...], name: str) -> tuple[FormerName, ...]:
    return tuple(each for each in names if each.name != name)


def without_expired_names(decision: Decision) -> Decision:
    """Forget the names whose time is over."""
    desired: Desired = decision.desired
    left = tuple(each for each in desired.former_names if each.until > decision.at)
    return decision if left == desired.former_names else decision.changed(former_names=left)
