"""Stop, delete, purge and undelete. Pure."""

from datetime import timedelta

from slipway_contracts.commands import Delete, Purge, RemoveVersions, Stop, Undelete
from slipway_contracts.events import (
    DeploymentRestored,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
)
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.wanting import wanted_after

from slipway_deployer.commands.refusals import purged
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.endings import Superseded, dropped
from slipway_deployer.desired.message import Inbox


def end(decision: Decision, inbox: Inbox, command: Stop | Delete | Purge) -> Decision:
    """Take all traffic away; what served drains, and the rest goes at once."""
    desired = decision.desired
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    wanted = wanted_after(desired.wanted, command)
    decision = _ending_superseded(decision, operation)
    if wanted is Wanted.PURGED and desired.wanted is Wanted.PURGED and desired.ended:
        done = OperationSucceeded(**decision.owner, operation=operation)
        return decision.emit(done, operation=operation, traceparent=trace)
    decision = decision.changed(
        wanted=wanted,
        ended=False,
        ending=operation,
        ending_deadline_at=decision.at + timedelta(seconds=desired.settings.stop_deadline_seconds),
        parked=desired.routes if desired.wanted is Wanted.RUNNING else desired.parked,
        unloading=_unloading(inbox, command) or desired.unloading,
        crash_loop=None,
    )
    event = OperationStarted(**decision.owner, operation=operation)
    decision = decision.emit(event, operation=operation, traceparent=trace)
    decision = dropped(decision, desired.moves, Superseded(operation))
    for route in desired.routes:
        decision = decision.pointed(route.alias, (), operation=operation, traceparent=trace)
    return decision


def _ending_superseded(decision: Decision, operation: str) -> Decision:
    ending = decision.desired.ending
    if ending is None:
        return decision
    event = OperationSuperseded(**decision.owner, operation=ending, by_operation=operation)
    return decision.changed(ending=None).emit(event, operation=ending)


def _unloading(inbox: Inbox, command: Stop | Delete | Purge) -> RemoveVersions | None:
    versions = () if isinstance(command, Stop) else command.versions
    if not versions or (isinstance(command, Delete) and command.level == "hide"):
        return None
    return RemoveVersions(
        group=command.group,
        deployment=command.deployment,
        by=command.by,
        request_digest=derived_id(inbox.envelope.id, "unloading"),
        versions=versions,
        cause="unload" if isinstance(command, Delete) else "purge",
    )


def undelete(decision: Decision, inbox: Inbox, command: Undelete) -> Decision:
    """Bring a deleted deployment back, stopped; a delete under way goes on as a stop."""
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    desired = decision.desired
    if desired.wanted is Wanted.PURGED:
        return decision.refused(operation, purged(command.deployment, decision.at), trace)
    if desired.wanted is not Wanted.DELETED:
        event = OperationSucceeded(**decision.owner, operation=operation)
        return decision.emit(event, operation=operation, traceparent=trace)
    decision = _ending_superseded(decision, operation)
    decision = decision.changed(wanted=wanted_after(desired.wanted, command), unloading=None)
    told = DeploymentRestored(**decision.owner, by=command.by)
    decision = decision.emit(told, operation=operation, traceparent=trace)
    if desired.ended:
        event = OperationSucceeded(**decision.owner, operation=operation)
        return decision.emit(event, operation=operation, traceparent=trace)
    begun = OperationStarted(**decision.owner, operation=operation)
    deadline = decision.at + timedelta(seconds=desired.settings.stop_deadline_seconds)
    decision = decision.changed(ending=operation, ending_deadline_at=deadline)
    return decision.emit(begun, operation=operation, traceparent=trace)
