"""How releases come to run: new ones, those that ran before, and those that had begun to drain. Pure."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final, assert_never

from slipway_contracts.commands import ReleaseCommand
from slipway_contracts.desired import Desired, DesiredRelease, KeptVersion
from slipway_contracts.events import BuildCanceled, BuildEnd, BuildFailed, BuildSucceeded, ReleaseStarting
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.traffic import RestoredRelease
from slipway_contracts.version import Version

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import port_failure
from slipway_deployer.desired.endings import (
    Canceled,
    Failed,
    dropped,
    ended,
    failed,
    pin_ended,
    unpinned,
    waiting_moves,
)
from slipway_deployer.desired.message import Incoming
from slipway_deployer.desired.needs import named, workloads_of
from slipway_deployer.desired.workloads import for_return, for_start, taken_port

BUILD_PATIENCE: Final = timedelta(hours=2)


def new_release(decision: Decision, incoming: Incoming, command: ReleaseCommand) -> DesiredRelease:
    """Return the release that this command makes; it waits for its build, or to be started."""
    return DesiredRelease(
        number=decision.desired.next_release,
        operation=incoming.operation,
        state=ReleaseState.PENDING,
        version=command.request.version,
        build=command.request.build,
        config=command.request.config,
        created_at=incoming.envelope.time,
        created_by=command.by,
        copy_of=command.request.copy_of,
        traceparent=incoming.traceparent,
        deadline_at=decision.at + BUILD_PATIENCE,
    )


def started(decision: Decision, release: DesiredRelease, version: Version) -> Decision:
    """Want the replicas of this release."""
    release = release.model_copy(update={"version": version})
    taken = taken_port(decision.desired, release)
    if taken is not None:
        release = release.model_copy(update={"state": ReleaseState.STARTING})
        return failed(decision.with_release(release), release, port_failure(*taken, decision.at))
    wanted = workloads_of(decision.desired, release, version)
    identifiers = {endpoint: workload.id for endpoint, workload in wanted.items()}
    deadline = decision.at + timedelta(seconds=release.config.deadline_seconds)
    decision = decision.moved(release, ReleaseState.STARTING, workloads=identifiers, deadline_at=deadline)
    event = ReleaseStarting(
        **decision.owner,
        release=release.number,
        version=version,
        workloads=identifiers,
        deadline_at=deadline,
    )
    kept = decision.desired.release(release.number) or release
    return (
        decision.changed_to(for_start(decision.desired, kept, decision.at))
        .emit_for(release, event)
        .changed(kept_versions=_keeping(decision, version, release.number))
    )


def _keeping(decision: Decision, version: Version, number: int) -> tuple[KeptVersion, ...]:
    known = {each.id: each for each in decision.desired.kept_versions}
    before = known.get(version.id)
    known[version.id] = KeptVersion(
        id=version.id,
        label=version.label,
        images=tuple(dict.fromkeys(endpoint.image for endpoint in version.endpoints)),
        release=max(number, before.release if before else 1),
        releases=before.releases if before else (),
    )
    return tuple(known.values())


def unknown(decision: Decision, numbers: Iterable[int], restored: Iterable[RestoredRelease]) -> list[int]:
    """Return the releases among these that neither run nor were given with what starts them again."""
    given = {each.number for each in restored}
    return [each for each in numbers if each not in given and decision.desired.release(each) is None]


def running_again(
    decision: Decision,
    incoming: Incoming,
    by: str,
    numbers: Iterable[int],
    restored: Iterable[RestoredRelease],
    *,
    awaited_by: str | None = None,
) -> Decision:
    """Let these releases run; what runs already goes on."""
    given = {each.number: each for each in restored}
    for number in numbers:
        release = decision.desired.release(number)
        if number not in named(decision.desired):
            continue
        if release is None:
            release = _retired(incoming, by, given[number], awaited_by)
            decision = started(decision.with_release(release), release, given[number].version)
        else:
            decision = _kept(decision, release)
    return decision


def _retired(
    incoming: Incoming, by: str, restored: RestoredRelease, awaited_by: str | None
) -> DesiredRelease:
    return DesiredRelease(
        number=restored.number,
        operation=incoming.operation,
        state=ReleaseState.RETIRED,
        version=restored.version,
        config=restored.config,
        created_at=incoming.envelope.time,
        created_by=by,
        traceparent=incoming.traceparent,
        restored=True,
        awaited_by=awaited_by,
    )


def _kept(decision: Decision, release: DesiredRelease) -> Decision:
    """Let a release that something names now go on.

    One that had begun to drain, or made room for a successor, gets its replicas back; it cannot where another
    release has taken its port.
    """
    drained = release.state is ReleaseState.DRAINING
    if drained:
        release = release.model_copy(update={"deadline_at": None})
        decision = decision.with_release(release)
    taken = taken_port(decision.desired, release)
    if taken is None:
        served = release.state in {ReleaseState.LIVE, ReleaseState.DRAINING}
        kept = for_return(decision.desired, release, decision.at) if served else decision.desired
        return decision.changed_to(kept)
    outcome = Failed(port_failure(*taken, decision.at))
    if drained:
        decision = pin_ended(decision, release, outcome)
        decision = decision.with_release(release.model_copy(update={"awaited_by": None}))
        decision = unpinned(decision, release.number, by=release.created_by, asked=release)
    return dropped(decision, waiting_moves(decision, release.number), outcome)


def build_ended(decision: Decision, message: BuildEnd) -> Decision:
    """Let the releases that wait for this build go on, or end with it."""
    for waiting in waiting_for_builds(decision.desired):
        if waiting.build == message.build:
            decision = _build_ended(decision, waiting, message)
    return decision


def _build_ended(decision: Decision, waiting: DesiredRelease, message: BuildEnd) -> Decision:
    match message:
        case BuildSucceeded():
            return started(decision, waiting, message.version)
        case BuildFailed():
            return failed(decision, waiting, message.failure)
        case BuildCanceled():
            return ended(decision, waiting, Canceled(message.by))
        case _:
            assert_never(message)


def waiting_for_builds(desired: Desired) -> list[DesiredRelease]:
    """Return the releases that have no version yet."""
    return [
        each for each in desired.releases if each.build is not None and each.state is ReleaseState.PENDING
    ]
