"""Deploy, redeploy and start: a release, and the moves of the aliases that lead to it. Pure."""

from slipway_contracts.commands import Deploy, Redeploy, ReleaseCommand
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import DesiredRelease
from slipway_contracts.events import (
    DeploymentConfigured,
    DeploymentCreated,
    OperationStarted,
    OperationSuperseded,
    ReleaseCreated,
)
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.traffic import AliasRoute, RestoredRelease, TrafficShare, releases_of

from slipway_deployer.commands.moving import move_of, superseding
from slipway_deployer.commands.refusals import unknown_releases
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.endings import unpinned
from slipway_deployer.desired.message import Incoming
from slipway_deployer.desired.starting import new_release, running_again, started, unknown


def release(decision: Decision, incoming: Incoming, command: ReleaseCommand) -> Decision:
    """Make a release and let aliases move to it; what they waited for until now is superseded."""
    made = new_release(decision, incoming, command)
    others = _other_routes(command)
    numbers = sorted(
        releases_of(command.request.beside).union(*(releases_of(each.shares) for each in others))
    )
    restored = _restored(command)
    missing = unknown(decision, numbers, restored)
    if missing:
        return decision.refused(made, unknown_releases(missing, decision.at))
    decision = _set_running(decision, command, made).with_release(made)
    own = TrafficShare(release=made.number, weight=command.request.weight)
    routes = (AliasRoute(alias=command.request.alias, shares=(own, *command.request.beside)), *others)
    moves = [move_of(incoming, command.by, route.alias, route.shares) for route in routes]
    decision = superseding(decision, moves).emit_for(
        made, OperationStarted(**decision.owner, operation=made.operation), _created(decision, command, made)
    )
    if made.version is not None:
        decision = started(decision, made, made.version)
    pinned = [each.number for each in restored if each.number in decision.desired.pins]
    decision = running_again(decision, incoming, command.by, sorted({*numbers, *pinned}), restored)
    return _without_lost_pins(decision, command.by, made)


def _other_routes(command: ReleaseCommand) -> tuple[AliasRoute, ...]:
    return tuple(each for each in command.aliases if each.alias != command.request.alias)


def _restored(command: ReleaseCommand) -> tuple[RestoredRelease, ...]:
    return command.request.restored + command.restored


def _set_running(decision: Decision, command: ReleaseCommand, made: DesiredRelease) -> Decision:
    """Say that the deployment runs: it is created, or a stop or delete under way is superseded."""
    ending = decision.desired.ending
    if ending is not None:
        event = OperationSuperseded(**decision.owner, operation=ending, by_operation=made.operation)
        decision = decision.emit_for_ending(event)
    anew = {Wanted.DELETED, Wanted.PURGED}
    if made.number == 1 or (decision.desired.wanted in anew and isinstance(command, Deploy)):
        decision = _new_deployment(decision, command, made)
    return decision.changed(
        wanted=Wanted.RUNNING,
        ended=False,
        ending=None,
        ending_deadline_at=None,
        ending_traceparent=None,
        unloading=None,
        parked=(),
        failed=False,
        next_release=made.number + 1,
    )


def _new_deployment(decision: Decision, command: ReleaseCommand, made: DesiredRelease) -> Decision:
    """A deployment that was deleted and is created again begins with its own settings, aliases and pins."""
    decision = decision.emit_for(made, DeploymentCreated(**decision.owner, by=command.by))
    decision = decision.changed(pins=(), former_names=())
    settings = command.settings if isinstance(command, Deploy) else None
    if settings is None:
        return decision.changed(settings=DeploymentSettings())
    event = DeploymentConfigured(**decision.owner, settings=settings, by=command.by)
    return decision.changed(settings=settings).emit_for(made, event)


def _created(decision: Decision, command: ReleaseCommand, made: DesiredRelease) -> ReleaseCreated:
    return ReleaseCreated(
        **decision.owner,
        release=made.number,
        operation=made.operation,
        cause=command.cause if isinstance(command, Redeploy) else command.type.split(".")[1],
        version=made.version,
        build=made.build,
        config=made.config,
        alias=command.request.alias,
        copy_of=command.request.copy_of,
        by=command.by,
    )


def _without_lost_pins(decision: Decision, by: str, made: DesiredRelease) -> Decision:
    """A pin from before a stop is kept where its release came back with the command."""
    for number in decision.desired.pins:
        if decision.desired.release(number) is None:
            decision = unpinned(decision, number, by=by, asked=made)
    return decision
