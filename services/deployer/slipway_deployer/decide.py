"""What a command, or the end of a build, means for the desired state. Pure.

Messages come in log order; each command gets an outcome here, at once or through the release it made: a newer
command supersedes what has no traffic yet.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

from slipway_contracts.commands import Cancel, CancelBuild, Delete, Deploy, Redeploy, Start, Stop
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import (
    BuildCanceled,
    BuildEnd,
    BuildFailed,
    BuildSucceeded,
    DeploymentCreated,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCreated,
    ReleaseDraining,
    ReleaseStarting,
    TrafficShifted,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.version import Version

from slipway_deployer.decision import Decision
from slipway_deployer.workloads import pruned, with_workloads, workloads_of

DeployerMessage = Deploy | Redeploy | Start | Stop | Delete | Cancel | BuildEnd


@dataclass(frozen=True)
class Inbox:
    """One message to decide on, where it stands in the log, and who sent it."""

    sequence: int
    envelope: Envelope
    message: DeployerMessage


def decide(desired: Desired | None, inbox: Inbox) -> Decision:
    """Return what this message changes; deciding it again after its position changes nothing."""
    message = inbox.message
    known = desired or Desired(group=message.group, deployment=message.deployment, position=0)
    decision = Decision(desired=known, at=inbox.envelope.time)
    if inbox.sequence <= known.position:
        return decision
    decision = decision.changed(position=inbox.sequence)
    match message:
        case Deploy() | Redeploy() | Start():
            decision = _release(decision, inbox, message, created=desired is None)
        case Stop():
            decision = _end(decision, inbox, Wanted.STOPPED)
        case Delete():
            decision = _end(decision, inbox, Wanted.DELETED)
        case Cancel():
            decision = _cancel(decision, inbox, message)
        case BuildSucceeded() | BuildFailed() | BuildCanceled():
            decision = _build_ended(decision, message)
        case _:
            assert_never(message)
    return decision


def _release(
    decision: Decision, inbox: Inbox, command: Deploy | Redeploy | Start, *, created: bool
) -> Decision:
    owner = {"group": command.group, "deployment": command.deployment}
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    decision = _superseded(decision, operation)
    release = DesiredRelease(
        number=decision.desired.next_release,
        operation=operation,
        state=ReleaseState.PENDING,
        version=command.request.version,
        build=command.request.build,
        config=command.request.config,
        created_at=inbox.envelope.time,
        created_by=command.by,
        traceparent=trace,
    )
    if created:
        decision = decision.emit_for(release, DeploymentCreated(**owner, by=command.by))
    decision = (
        decision.changed(wanted=Wanted.RUNNING, ended=False, failed=False, next_release=release.number + 1)
        .with_release(release)
        .emit_for(
            release,
            OperationStarted(**owner, operation=operation),
            ReleaseCreated(
                **owner,
                release=release.number,
                operation=operation,
                cause=command.type.split(".")[1],
                version=release.version,
                build=release.build,
                config=release.config,
                by=command.by,
            ),
        )
    )
    return decision if release.version is None else _started(decision, release, release.version)


def _started(decision: Decision, release: DesiredRelease, version: Version) -> Decision:
    workloads = workloads_of(decision.desired, release, version)
    identifiers = {endpoint: workload.id for endpoint, workload in workloads.items()}
    deadline = decision.at + timedelta(seconds=release.config.deadline_seconds)
    release = release.model_copy(update={"version": version})
    decision = decision.moved(
        release, ReleaseState.STARTING, workloads=identifiers, deadline_at=deadline
    ).emit_for(
        release,
        ReleaseStarting(
            group=decision.desired.group,
            deployment=decision.desired.deployment,
            release=release.number,
            version=version,
            workloads=identifiers,
            deadline_at=deadline,
        ),
    )
    return Decision(
        desired=with_workloads(decision.desired, list(workloads.values()), decision.at),
        at=decision.at,
        emitted=decision.emitted,
    )


def _superseded(decision: Decision, by_operation: str) -> Decision:
    """End what the new command takes the place of: an unfinished release, a stop or delete under way."""
    unfinished = decision.desired.unfinished
    if unfinished is not None:
        decision = decision.supersede(unfinished, by_operation)
        decision = decision.changed(**_pruned_parts(decision))
    ending = decision.desired.ending
    if ending is not None:
        decision = decision.changed(ending=None).emit(
            OperationSuperseded(
                group=decision.desired.group,
                deployment=decision.desired.deployment,
                operation=ending,
                by_operation=by_operation,
            ),
            operation=ending,
            traceparent=None,
        )
    return decision


def _pruned_parts(decision: Decision) -> dict[str, object]:
    clean = pruned(decision.desired, decision.at)
    return {"workloads": clean.workloads, "removed": clean.removed}


def _end(decision: Decision, inbox: Inbox, wanted: Wanted) -> Decision:
    """Take all traffic away; what served drains, and the rest goes at once."""
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    owner = {"group": decision.desired.group, "deployment": decision.desired.deployment}
    decision = _superseded(decision, operation)
    had_traffic = bool(decision.desired.traffic)
    decision = decision.changed(wanted=wanted, ended=False, ending=operation, traffic=()).emit(
        OperationStarted(**owner, operation=operation), operation=operation, traceparent=trace
    )
    for release in decision.desired.releases:
        if release.state is ReleaseState.READY:
            decision = decision.emit_for(
                release,
                OperationSuperseded(**owner, operation=release.operation, by_operation=operation),
            )
        if release.state in {ReleaseState.LIVE, ReleaseState.READY}:
            decision = drained(decision, release)
    if had_traffic:
        decision = decision.emit(TrafficShifted(**owner, shares=()), operation=operation, traceparent=trace)
    return decision


def drained(decision: Decision, release: DesiredRelease) -> Decision:
    """Let a release finish what it has, for at most the longest timeout of its endpoints."""
    timeouts = [endpoint.timeout_seconds for endpoint in release.version.endpoints] if release.version else []
    deadline = decision.at + timedelta(seconds=max(timeouts, default=0.0))
    return decision.moved(release, ReleaseState.DRAINING, deadline_at=deadline).emit_for(
        release,
        ReleaseDraining(
            group=decision.desired.group, deployment=decision.desired.deployment, release=release.number
        ),
    )


def _cancel(decision: Decision, inbox: Inbox, command: Cancel) -> Decision:
    owner = {"group": command.group, "deployment": command.deployment}
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    unfinished = decision.desired.unfinished
    if unfinished is None:
        failure = FailureRecord(
            stage=Stage.COMMAND,
            reason=Reason.NOTHING_TO_CANCEL,
            message=f"Nothing of {command.deployment} is on its way, or its traffic has moved already.",
            hint=f"See what runs with: slipway show {command.deployment}",
            at=inbox.envelope.time,
        )
        return decision.emit(
            OperationFailed(**owner, operation=operation, failure=failure),
            operation=operation,
            traceparent=trace,
        )
    decision = decision.cancel(unfinished, command.by)
    if unfinished.state is ReleaseState.PENDING and unfinished.build is not None:
        cancel_build = CancelBuild(
            **owner,
            by=command.by,
            request_digest=derived_id(operation, unfinished.build),
            build=unfinished.build,
        )
        decision = decision.emit_for(unfinished, cancel_build)
    return decision.changed(**_pruned_parts(decision)).emit(
        OperationSucceeded(**owner, operation=operation), operation=operation, traceparent=trace
    )


def _build_ended(decision: Decision, message: BuildEnd) -> Decision:
    waiting = decision.desired.unfinished
    if waiting is None or waiting.build != message.build or waiting.state is not ReleaseState.PENDING:
        return decision
    match message:
        case BuildSucceeded():
            return _started(decision, waiting, message.version)
        case BuildFailed():
            return decision.fail(waiting, message.failure)
        case BuildCanceled():
            return decision.cancel(waiting, message.by)
        case _:
            assert_never(message)
