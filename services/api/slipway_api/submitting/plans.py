"""What a command would do, told before it is done. Pure: compares a decision with what was decided last.

What really happens is decided by the deployer when the command reaches it; a plan is as good as the moment
it was made.
"""

from collections.abc import Iterator, Sequence

from slipway_contracts.commands import (
    Build,
    Cancel,
    Command,
    Configure,
    Delete,
    Pin,
    Purge,
    Redeploy,
    ReleaseCommand,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
)
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.quota import Charge
from slipway_contracts.release import Strategy
from slipway_contracts.traffic import ReleaseRequest, TrafficShare, releases_of
from slipway_contracts.version import EndpointSpec
from slipway_contracts.workload import Workload

from slipway_api.answers.differences import Running, differences
from slipway_api.answers.plan_views import Plan, PlanStep


def plan_of(
    commands: Sequence[Command],
    *,
    request: ReleaseRequest | None,
    notices: Sequence[str],
    desired: Desired | None,
) -> Plan:
    """Return what these commands would do."""
    last = commands[-1]
    serving = _serving(desired, request.alias) if request else None
    before = Running(version=serving.version, config=serving.config) if serving else None
    changes = differences(before, _running(request)) if request else ()
    return Plan(
        kinds=[_kind(command) for command in commands],
        group=last.group,
        deployment=last.deployment,
        request=request,
        compared_with=serving.number if serving else None,
        changes=list(changes),
        steps=[step for command in commands for step in _steps(command, desired)],
        surge=_surge(last, desired),
        downtime=_downtime(request, desired),
        notices=list(notices),
    )


def _kind(command: Command) -> str:
    """Return what was asked for, as the history will call it."""
    return command.cause if isinstance(command, Redeploy) else command.type.split(".")[1]


def _running(request: ReleaseRequest) -> Running:
    return Running(version=request.version, build=request.build, config=request.config)


def _serving(desired: Desired | None, alias: str) -> DesiredRelease | None:
    return next(iter(desired.serving(alias)), None) if desired else None


def _steps(command: Command, desired: Desired | None) -> Iterator[PlanStep]:
    match command:
        case Build():
            yield PlanStep(action="build", detail=f"Build {command.source}.")
        case SetAlias():
            for restored in command.restored:
                detail = f"Run release {restored.number} again."
                yield PlanStep(action="start", detail=detail, release=restored.number)
            yield _move(command.alias, command.shares)
            yield from _drained(desired, command.alias, command.shares)
        case RemoveAlias():
            yield PlanStep(action="remove", detail=f"Take alias {command.alias} away.")
            yield from _drained(desired, command.alias, ())
        case Pin():
            detail = "Keep the release running." if command.pinned else "Keep the release no longer."
            yield PlanStep(action="configure", detail=detail, release=command.release)
        case Configure():
            yield PlanStep(action="configure", detail="Change the settings; no replica is touched.")
        case Cancel():
            yield from _canceled(desired)
        case Stop() | Delete() | Purge() | Undelete():
            yield from _ended(command, desired)
        case _ if isinstance(command, ReleaseCommand):
            yield from _of_release(command, desired)
        case _:
            pass


def _of_release(command: ReleaseCommand, desired: Desired | None) -> Iterator[PlanStep]:
    request, number = command.request, desired.next_release if desired else 1
    in_place = request.config.strategy is Strategy.IN_PLACE
    shares = (TrafficShare(release=number, weight=request.weight), *request.beside)
    drained = list(_drained(desired, request.alias, shares))
    if in_place:
        yield from drained
    yield from _started(request, desired, number)
    yield _move(request.alias, shares)
    if isinstance(command, Start):
        for route in command.aliases:
            yield _move(route.alias, route.shares)
    if not in_place:
        yield from drained


def _started(request: ReleaseRequest, desired: Desired | None, number: int) -> Iterator[PlanStep]:
    if request.version is None:
        count = request.config.replicas
        detail = f"Wait for build {request.build}, then start {count} {_plural(count)} of each endpoint."
        yield PlanStep(action="start", detail=detail, release=number)
        return
    for spec in request.version.endpoints:
        yield PlanStep(action="start", detail=_replicas(spec, request, desired), release=number)
        if spec.smoke_test is not None:
            test = f"{spec.smoke_test.method} {spec.smoke_test.path}"
            detail = f"Ask each new replica of endpoint {spec.name}: {test}."
            yield PlanStep(action="test", detail=detail, release=number)


def _replicas(spec: EndpointSpec, request: ReleaseRequest, desired: Desired | None) -> str:
    wanted, running = _wanted(spec, request), _running_slots(spec, request, desired)
    where = f"of endpoint {spec.name} on {request.config.target}"
    if not running:
        return f"Start {wanted} {_plural(wanted)} {where}."
    if wanted > running:
        return f"Keep {running} and start {wanted - running} more {_plural(wanted - running)} {where}."
    if wanted < running:
        return f"Keep {wanted} and end {running - wanted} {_plural(running - wanted)} {where}."
    return f"Keep the {wanted} {_plural(wanted)} {where}: nothing about them changes."


def _plural(count: int) -> str:
    return "replica" if count == 1 else "replicas"


def _wanted(spec: EndpointSpec, request: ReleaseRequest) -> int:
    return 1 if spec.fixed_port else request.config.replicas


def _running_slots(spec: EndpointSpec, request: ReleaseRequest, desired: Desired | None) -> int:
    """Return how many replicas of the very same run already."""
    if desired is None or request.version is None:
        return 0
    same = Workload.of(
        group=desired.group,
        deployment=desired.deployment,
        endpoint=spec,
        config=request.config,
        replicas=1,
    )
    known = desired.workload(same.id)
    return known.serving if known else 0


def _move(alias: str, shares: Sequence[TrafficShare]) -> PlanStep:
    parts = ", ".join(f"release {share.release} ({share.weight} %)" for share in shares)
    detail = f"Move alias {alias} to {parts} once all of it is ready."
    return PlanStep(action="move", detail=detail, release=shares[0].release)


def _drained(desired: Desired | None, alias: str, shares: Sequence[TrafficShare]) -> Iterator[PlanStep]:
    """Tell which releases nothing names any more once the alias has moved."""
    if desired is None:
        return
    others = {each.release for route in desired.routes if route.alias != alias for each in route.shares}
    for move in desired.moves:
        others |= releases_of(move.shares) if move.alias != alias else frozenset()
    kept = others | set(desired.pins) | releases_of(shares)
    for number in sorted(releases_of(desired.shares_of(alias)) - kept):
        detail = f"Let release {number} finish its requests, then end what only it needs."
        yield PlanStep(action="drain", detail=detail, release=number)


def _canceled(desired: Desired | None) -> Iterator[PlanStep]:
    for release in desired.unfinished if desired else ():
        detail = f"End release {release.number}, which is {release.state}."
        yield PlanStep(action="end", detail=detail, release=release.number)


def _ended(command: Stop | Delete | Purge | Undelete, desired: Desired | None) -> Iterator[PlanStep]:
    if isinstance(command, Undelete):
        yield PlanStep(action="configure", detail="Bring the deployment back, stopped.")
        return
    replicas = sum(len(each.workload.slots) for each in desired.workloads) if desired else 0
    if replicas:
        detail = f"Take every alias off its route and end {replicas} {_plural(replicas)}."
        yield PlanStep(action="end", detail=detail)
    for version in () if isinstance(command, Stop) else command.versions:
        detail = f"Remove {len(version.images)} images of version {version.label}, which nothing else uses."
        yield PlanStep(action="remove", detail=detail)
    if isinstance(command, Purge):
        yield PlanStep(action="remove", detail="Erase the history.")


def _surge(command: Command, desired: Desired | None) -> Charge | None:
    """Return the room of the new replicas that run beside the ones they replace."""
    if not isinstance(command, ReleaseCommand):
        return None
    request, total = command.request, Charge()
    if request.config.strategy is Strategy.IN_PLACE or not _serving(desired, request.alias):
        return total
    endpoints = request.version.endpoints if request.version else ()
    counts = [_wanted(spec, request) - _running_slots(spec, request, desired) for spec in endpoints]
    size = request.config.size
    for count in counts if endpoints else [request.config.replicas]:
        more = max(count, 0)
        total = total.plus(
            Charge(
                replicas=more,
                cpu=size.cpu * more,
                memory_bytes=size.memory_bytes * more,
                gpu=size.gpu * more,
            )
        )
    return total


def _downtime(request: ReleaseRequest | None, desired: Desired | None) -> str | None:
    if request is None or not _serving(desired, request.alias):
        return None
    fixed = [spec for spec in (request.version.endpoints if request.version else ()) if spec.fixed_port]
    moved = [spec for spec in fixed if not _running_slots(spec, request, desired)]
    until = (
        f"from the end of the old replicas until the new ones are ready, "
        f"at most {request.config.deadline_seconds:g} s"
    )
    if request.config.strategy is Strategy.IN_PLACE and _replaces(request, desired):
        return f"Nothing answers {until}: strategy in-place ends the old replicas first."
    if moved:
        spec = moved[0]
        return f"Endpoint {spec.name} does not answer {until}: it insists on port {spec.fixed_port}."
    return None


def _replaces(request: ReleaseRequest, desired: Desired | None) -> bool:
    """Say whether any replica has to start where another one ends."""
    if request.version is None:
        return True
    return any(not _running_slots(spec, request, desired) for spec in request.version.endpoints)
