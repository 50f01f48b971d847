"""Stop, delete, purge and undelete. Pure."""

from datetime import timedelta

from slipway_contracts.commands import Delete, Purge, RemoveVersions, Stop, Undelete
from slipway_contracts.events import (
    DeploymentRestored,
    OperationSuperseded,
)
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.wanting import wanted_after

from slipway_deployer.commands.refusals import purged
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.endings import Superseded, dropped
from slipway_deployer.desired.message import Incoming


def end(decision: Decision, incoming: Incoming, command: Stop | Delete | Purge) -> Decision:
    """Take all traffic away; what served drains, and the rest goes at once."""
    desired = decision.desired
    wanted = wanted_after(desired.wanted, command)
    decision = _ending_superseded(decision, incoming.operation)
    if wanted is Wanted.PURGED and desired.wanted is Wanted.PURGED and desired.ended:
        return decision.done(incoming)
    decision = decision.changed(
        wanted=wanted,
        ended=False,
        ending=incoming.operation,
        ending_deadline_at=decision.at + timedelta(seconds=desired.settings.stop_deadline_seconds),
        ending_traceparent=incoming.traceparent,
        parked=desired.routes if desired.wanted is Wanted.RUNNING else desired.parked,
        unloading=_unloading(incoming, command) or desired.unloading,
        crash_loop=None,
    )
    decision = dropped(decision.begun(incoming), desired.moves, Superseded(incoming.operation))
    for route in desired.routes:
        decision = decision.pointed(route.alias, (), asked=incoming)
    return decision


def _ending_superseded(decision: Decision, operation: str) -> Decision:
    ending = decision.desired.ending
    if ending is None:
        return decision
    event = OperationSuperseded(**decision.owner, operation=ending, by_operation=operation)
    return decision.emit_for_ending(event).changed(ending=None)


def _unloading(incoming: Incoming, command: Stop | Delete | Purge) -> RemoveVersions | None:
    versions = () if isinstance(command, Stop) else command.versions
    if not versions or (isinstance(command, Delete) and command.level == "hide"):
        return None
    return RemoveVersions(
        group=command.group,
        deployment=command.deployment,
        by=command.by,
        request_digest=derived_id(incoming.operation, "unloading"),
        versions=versions,
        cause="unload" if isinstance(command, Delete) else "purge",
    )


def undelete(decision: Decision, incoming: Incoming, command: Undelete) -> Decision:
    """Bring a deleted deployment back, stopped; a delete under way goes on as a stop."""
    desired = decision.desired
    if desired.wanted is Wanted.PURGED:
        return decision.refused(incoming, purged(command.deployment, decision.at))
    if desired.wanted is not Wanted.DELETED:
        return decision.done(incoming)
    decision = _ending_superseded(decision, incoming.operation)
    decision = decision.changed(wanted=wanted_after(desired.wanted, command), unloading=None)
    decision = decision.emit_for(incoming, DeploymentRestored(**decision.owner, by=command.by))
    if desired.ended:
        return decision.done(incoming)
    return decision.changed(
        ending=incoming.operation,
        ending_deadline_at=decision.at + timedelta(seconds=desired.settings.stop_deadline_seconds),
        ending_traceparent=incoming.traceparent,
    ).begun(incoming)
