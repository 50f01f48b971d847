"""What a command, or the end of a build, means for the desired state. Pure.

Messages come in log order; each command gets an outcome here, at once or through the release it made: a newer
command supersedes what has no traffic yet.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, assert_never

from slipway_contracts.commands import Cancel, CancelBuild, Delete, Deploy, Redeploy, Start, Stop
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.envelope import Envelope
from slipway_contracts.events import (
    BuildCanceled,
    BuildEnd,
    BuildFailed,
    BuildSucceeded,
    DeploymentCreated,
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCreated,
    ReleaseStarting,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.version import Version

from slipway_deployer.decision import Decision
from slipway_deployer.workloads import with_workloads, workloads_of

BUILD_PATIENCE: Final = timedelta(hours=2)


@dataclass(frozen=True)
class Unreadable:
    """A command that this release of the platform cannot read."""

    group: str
    deployment: str
    problem: str


DeployerMessage = Deploy | Redeploy | Start | Stop | Delete | Cancel | BuildEnd | Unreadable


@dataclass(frozen=True)
class Inbox:
    """One message to decide on, where it stands in the log, and who sent it."""

    sequence: int
    envelope: Envelope
    message: DeployerMessage


def decide(desired: Desired | None, inbox: Inbox, *, at: datetime) -> Decision:
    """Return what this message changes; deciding it again after its position changes nothing.

    Deadlines count from `at`: a command that waited in the log for a deployer has all its time before it.
    """
    message = inbox.message
    known = desired or Desired(group=message.group, deployment=message.deployment, position=0)
    decision = Decision(desired=known, at=at)
    if inbox.sequence <= known.position:
        return decision
    decision = decision.changed(position=inbox.sequence)
    match message:
        case Deploy() | Redeploy() | Start():
            decision = _release(decision, inbox, message)
        case Stop():
            decision = _end(decision, inbox, Wanted.STOPPED)
        case Delete():
            decision = _end(decision, inbox, Wanted.DELETED)
        case Cancel():
            decision = _cancel(decision, inbox, message)
        case BuildSucceeded() | BuildFailed() | BuildCanceled():
            decision = build_ended(decision, message)
        case Unreadable():
            decision = _unreadable(decision, inbox, message)
        case _:
            assert_never(message)
    return decision


def _unreadable(decision: Decision, inbox: Inbox, message: Unreadable) -> Decision:
    failure = FailureRecord(
        stage=Stage.COMMAND,
        reason=Reason.MESSAGE_DEAD,
        message=f"The deployer cannot read this command: {message.problem}",
        hint="Upgrade the deployer to the release of the api, then send the command again.",
        at=decision.at,
    )
    operation = inbox.envelope.id
    return decision.emit(
        OperationFailed(**decision.owner, operation=operation, failure=failure),
        operation=operation,
        traceparent=inbox.envelope.traceparent,
    )


def _release(decision: Decision, inbox: Inbox, command: Deploy | Redeploy | Start) -> Decision:
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
        deadline_at=decision.at + BUILD_PATIENCE,
    )
    if release.number == 1:
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


def _end(decision: Decision, inbox: Inbox, wanted: Wanted) -> Decision:
    """Take all traffic away; what served drains, and the rest goes at once."""
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    owner = {"group": decision.desired.group, "deployment": decision.desired.deployment}
    decision = _superseded(decision, operation)
    decision = decision.changed(wanted=wanted, ended=False, ending=operation).emit(
        OperationStarted(**owner, operation=operation), operation=operation, traceparent=trace
    )
    if decision.desired.traffic:
        decision = decision.shifted_to(None, operation=operation, traceparent=trace)
    for release in decision.desired.releases:
        if release.state is ReleaseState.READY:
            decision = decision.emit_for(
                release,
                OperationSuperseded(**owner, operation=release.operation, by_operation=operation),
            )
        if release.state in {ReleaseState.LIVE, ReleaseState.READY}:
            decision = decision.drained(release)
    return decision


def _cancel(decision: Decision, inbox: Inbox, command: Cancel) -> Decision:
    owner = {"group": command.group, "deployment": command.deployment}
    operation, trace = inbox.envelope.id, inbox.envelope.traceparent
    unfinished, shifting = decision.desired.unfinished, decision.desired.shifting
    if unfinished is None and shifting is not None:
        return (
            decision.shifted_back(shifting)
            .emit_for(shifting, OperationCanceled(**owner, operation=shifting.operation, by=command.by))
            .emit(OperationSucceeded(**owner, operation=operation), operation=operation, traceparent=trace)
        )
    if unfinished is None:
        failure = FailureRecord(
            stage=Stage.COMMAND,
            reason=Reason.NOTHING_TO_CANCEL,
            message=f"Nothing of {command.deployment} is on its way.",
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
    return decision.emit(
        OperationSucceeded(**owner, operation=operation), operation=operation, traceparent=trace
    )


def build_ended(decision: Decision, message: BuildEnd) -> Decision:
    """Let the release that waits for this build go on, or end with it."""
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
