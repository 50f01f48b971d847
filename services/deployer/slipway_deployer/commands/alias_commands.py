"""Aliases and pins: what they name runs, and is started first where it does not. Pure."""

from slipway_contracts.commands import Pin, RemoveAlias, SetAlias
from slipway_contracts.events import ReleasePinned
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.traffic import releases_of

from slipway_deployer.commands.moving import move_of, superseding
from slipway_deployer.commands.refusals import not_running, unknown_releases
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import port_failure
from slipway_deployer.desired.endings import Canceled, Superseded, pin_ended, swept, unpinned
from slipway_deployer.desired.message import Incoming
from slipway_deployer.desired.needs import named
from slipway_deployer.desired.starting import running_again, unknown
from slipway_deployer.desired.workloads import taken_port


def set_alias(decision: Decision, incoming: Incoming, command: SetAlias) -> Decision:
    """Let an alias move to these releases as soon as all of them are ready."""
    numbers = sorted(releases_of(command.shares))
    missing = unknown(decision, numbers, command.restored)
    if decision.desired.wanted is not Wanted.RUNNING:
        return decision.refused(incoming, not_running(command.deployment, decision.at))
    if missing:
        return decision.refused(incoming, unknown_releases(missing, decision.at))
    move = move_of(incoming, command.by, command.alias, command.shares)
    decision = superseding(decision.begun(incoming), [move])
    return running_again(decision, incoming, command.by, numbers, command.restored)


def remove_alias(decision: Decision, incoming: Incoming, command: RemoveAlias) -> Decision:
    """Take an alias away, once the gateways no longer send requests by it; one that is not there is gone."""
    desired = decision.desired
    parked = tuple(route for route in desired.parked if route.alias != command.alias)
    decision = decision.changed(parked=parked)
    moving = any(move.alias == command.alias for move in desired.moves)
    if desired.wanted is not Wanted.RUNNING or not (moving or desired.shares_of(command.alias)):
        return decision.done(incoming)
    return superseding(decision.begun(incoming), [move_of(incoming, command.by, command.alias, ())])


def pin(decision: Decision, incoming: Incoming, command: Pin) -> Decision:
    """Keep a release running, or let it go as soon as no alias names it."""
    if not command.pinned:
        return _unpinned(decision, incoming, command)
    restored = (command.restored,) if command.restored else ()
    missing = unknown(decision, [command.release], restored)
    if decision.desired.wanted is not Wanted.RUNNING:
        return decision.refused(incoming, not_running(command.deployment, decision.at))
    if missing:
        return decision.refused(incoming, unknown_releases(missing, decision.at))
    known = decision.desired.release(command.release)
    # Not only what stays: a release that takes another's place may be pinned only once it has.
    serving = named(decision.desired)
    taken = taken_port(decision.desired, known, among=serving) if known is not None else None
    if taken is not None:
        return decision.refused(incoming, port_failure(*taken, decision.at))
    if command.release not in decision.desired.pins:
        event = ReleasePinned(**decision.owner, release=command.release, pinned=True, by=command.by)
        pins = tuple(sorted((*decision.desired.pins, command.release)))
        decision = decision.changed(pins=pins).emit_for(incoming, event)
    if known is not None and known.state is ReleaseState.LIVE:
        return decision.pruned().done(incoming)
    decision = decision.begun(incoming)
    if known is not None:
        decision = pin_ended(decision, known, Superseded(incoming.operation))
        awaited = {"awaited_by": incoming.operation, "awaited_traceparent": incoming.traceparent}
        decision = decision.with_release(known.model_copy(update=awaited))
    return running_again(
        decision, incoming, command.by, [command.release], restored, awaited_by=incoming.operation
    )


def _unpinned(decision: Decision, incoming: Incoming, command: Pin) -> Decision:
    release = decision.desired.release(command.release)
    if release is not None:
        decision = pin_ended(decision, release, Superseded(incoming.operation))
        decision = decision.with_release(release.model_copy(update={"awaited_by": None}))
    decision = unpinned(decision, command.release, by=command.by, asked=incoming)
    return swept(decision, Canceled(command.by)).done(incoming)
