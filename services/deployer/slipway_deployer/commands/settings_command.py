"""Configure: what is said about the deployment as a whole, and the names it is called by. Pure.

What the gateways have to know is done when they have applied it: until then a revoked key still opens.
"""

from datetime import timedelta
from typing import Final

from slipway_contracts.commands import Configure
from slipway_contracts.deployment_settings import FormerName
from slipway_contracts.desired import Desired, Settling
from slipway_contracts.events import DeploymentConfigured
from slipway_contracts.lifecycle import Wanted

from slipway_deployer.commands.refusals import purged
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.message import Incoming

APPLIED_WITHIN: Final = timedelta(seconds=60)


def configure(decision: Decision, incoming: Incoming, command: Configure) -> Decision:
    """Take the new settings; a name that changed is routed on for the grace time that they give."""
    if decision.desired.wanted is Wanted.PURGED:
        return decision.refused(incoming, purged(command.deployment, decision.at))
    former = decision.desired
    grace = timedelta(seconds=command.settings.rename_grace_seconds)
    decision = decision.changed(settings=command.settings)
    names = former.former_names
    if decision.desired.name != former.name and grace:
        names = (*_others(names, former.name), FormerName(name=former.name, until=decision.at + grace))
    names = _others(names, decision.desired.name)
    event = DeploymentConfigured(
        **decision.owner, settings=command.settings, former_names=names, by=command.by
    )
    decision = decision.changed(former_names=names).emit_for(incoming, event)
    if not _concerns_gateways(former, decision.desired):
        return decision.done(incoming)
    settling = Settling(
        operation=incoming.operation,
        deadline_at=decision.at + APPLIED_WITHIN,
        traceparent=incoming.traceparent,
    )
    return decision.changed(settling=(*decision.desired.settling, settling)).begun(incoming)


def _concerns_gateways(before: Desired, after: Desired) -> bool:
    """Whether requests are routed or let in differently."""
    return (before.name, before.former_names, before.settings.access) != (
        after.name,
        after.former_names,
        after.settings.access,
    )


def _others(names: tuple[FormerName, ...], name: str) -> tuple[FormerName, ...]:
    return tuple(each for each in names if each.name != name)
