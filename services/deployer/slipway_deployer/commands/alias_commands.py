"""Aliases and pins: what they name runs, and is started first where it does not. Pure."""

from slipway_contracts.commands import Pin, RemoveAlias, SetAlias
from slipway_contracts.events import OperationStarted, OperationSucceeded, ReleasePinned
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.traffic import releases_of

from slipway_deployer.commands.moving import move_of, superseding
from slipway_deployer.commands.refusals import not_running, unknown_releases
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import port_failure
from slipway_deployer.desired.endings import Canceled, Superseded, pin_ended, swept, unpinned
from slipway_deployer.desired.message import Inbox
from slipway_deployer.desired.needs import named
from slipway_deployer.desired.starting import running_again, unknown
from slipway_deployer.desired.workloads import taken_port


def set_alias(decision: Decision, inbox: Inbox, command: SetAlias) -> Decision:
    """Let an alias move to these releases as soon as all of them are ready."""
    numbers = sorted(releases_of(command.shares))
    missing = unknown(decision, numbers, command.restored)
    if decision.desired.wanted is not Wanted.RUNNING:
        return _refused(decision, inbox, not_running(command.deployment, decision.at))
    if missing:
        return _refused(decision, inbox, unknown_releases(missing, decision.at))
    move = move_of(inbox, command.by, command.alias, command.shares)
    decision = superseding(_begun(decision, inbox), [move])
    return running_again(decision, inbox, command.by, numbers, command.restored)


def remove_alias(decision: Decision, inbox: Inbox, command: RemoveAlias) -> Decision:
    """Take an alias away, once the gateways no longer send requests by it; one that is not there is gone."""
    desired = decision.desired
    parked = tuple(route for route in desired.parked if route.alias != command.alias)
    decision = decision.changed(parked=parked)
    moving = any(move.alias == command.alias for move in desired.moves)
    if desired.wanted is not Wanted.RUNNING or not (moving or desired.shares_of(command.alias)):
        return _succeeded(decision, inbox)
    return superseding(_begun(decision, inbox), [move_of(inbox, command.by, command.alias, ())])


def pin(decision: Decision, inbox: Inbox, command: Pin) -> Decision:
    """Keep a release running, or let it go as soon as no alias names it."""
    if not command.pinned:
        return _unpinned(decision, inbox, command)
    restored = (command.restored,) if command.restored else ()
    missing = unknown(decision, [command.release], restored)
    if decision.desired.wanted is not Wanted.RUNNING:
        return _refused(decision, inbox, not_running(command.deployment, decision.at))
    if missing:
        return _refused(decision, inbox, unknown_releases(missing, decision.at))
    known = decision.desired.release(command.release)
    # Not only what stays: a release that takes another's place may be pinned only once it has.
    serving = named(decision.desired)
    taken = taken_port(decision.desired, known, among=serving) if known is not None else None
    if taken is not None:
        return _refused(decision, inbox, port_failure(*taken, decision.at))
    if command.release not in decision.desired.pins:
        event = ReleasePinned(**decision.owner, release=command.release, pinned=True, by=command.by)
        pins = tuple(sorted((*decision.desired.pins, command.release)))
        decision = _told(decision.changed(pins=pins), inbox, event)
    if known is not None and known.state is ReleaseState.LIVE:
        return _succeeded(decision.pruned(), inbox)
    decision = _begun(decision, inbox)
    if known is not None:
        decision = pin_ended(decision, known, Superseded(inbox.envelope.id))
        decision = decision.with_release(known.model_copy(update={"awaited_by": inbox.envelope.id}))
    return running_again(
        decision, inbox, command.by, [command.release], restored, awaited_by=inbox.envelope.id
    )


def _unpinned(decision: Decision, inbox: Inbox, command: Pin) -> Decision:
    operation = inbox.envelope.id
    release = decision.desired.release(command.release)
    if release is not None:
        decision = pin_ended(decision, release, Superseded(operation))
        decision = decision.with_release(release.model_copy(update={"awaited_by": None}))
    decision = unpinned(decision, command.release, by=command.by, operation=operation)
    return _succeeded(swept(decision, Canceled(command.by)), inbox)


def _begun(decision: Decision, inbox: Inbox) -> Decision:
    return _told(decision, inbox, OperationStarted(**decision.owner, operation=inbox.envelope.id))


def _succeeded(decision: Decision, inbox: Inbox) -> Decision:
    return _told(decision, inbox, OperationSucceeded(**decision.owner, operation=inbox.envelope.id))


def _refused(decision: Decision, inbox: Inbox, failure: FailureRecord) -> Decision:
    return decision.refused(inbox.envelope.id, failure, inbox.envelope.traceparent)


def _told(
    decision: Decision,
    inbox: Inbox,
    *events: OperationStarted | OperationSucceeded | ReleasePinned,
) -> Decision:
    return decision.emit(*events, operation=inbox.envelope.id, traceparent=inbox.envelope.traceparent)
