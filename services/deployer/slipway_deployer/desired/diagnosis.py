"""Replica facts as failure records: the cause in words, and what to do next. Pure."""

import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.traffic import Move
from slipway_contracts.version import CommandSpec

from slipway_deployer.desired.observed import Refusal
from slipway_deployer.fixed_ports import Claim, Port

_SERVER: Final = ("python", "-m", "slipway_serve")
"""How an application starts that the builder gave its server: nobody else has that."""


class Cause(NamedTuple):
    """Why a replica is no good: the stable code, what happened, and what to do next."""

    reason: Reason
    message: str
    hint: str


def exit_failure(fact: ReplicaFact, attempts: int, command: CommandSpec) -> FailureRecord:
    """Say how a replica ended that never became ready."""
    cause = Cause(
        Reason.REPLICA_EXITED,
        f"Endpoint {fact.endpoint} {_ended(fact)}, {attempts} times in a row, before it was ready.",
        f"Read the log lines below. To see the same on your machine: {trial(command)}",
    )
    return _of_replica(fact, Stage.START, cause)


def trial(command: CommandSpec) -> str:
    """Return what to run in the source's folder, with its requirements, to see how an endpoint starts."""
    if command.shell is not None:
        return f"PORT=8000 sh -c {shlex.quote(command.shell)}"
    if command.argv[: len(_SERVER)] != _SERVER:
        return f"PORT=8000 {shlex.join(command.argv)}"
    module, _, name = command.argv[-1].partition(":")
    return f"python -c {shlex.quote(f'import {module}; {module}.{name}')}"


def image_failure(fact: ReplicaFact) -> FailureRecord:
    """Say why the engine cannot start the image at all."""
    cause = Cause(
        Reason.IMAGE_UNUSABLE,
        f"Endpoint {fact.endpoint} cannot be started: {fact.detail or 'its image is unusable'}",
        "Build the version again: slipway deploy PATH",
    )
    return _of_replica(fact, Stage.START, cause)


def hung_failure(fact: ReplicaFact, attempts: int, log_tail: tuple[str, ...]) -> FailureRecord:
    """Say that a replica of a release on its way gave no answer any more."""
    why = f": {fact.detail}" if fact.detail else "."
    cause = Cause(
        Reason.REPLICA_HUNG,
        f"Endpoint {fact.endpoint} stopped answering, {attempts} times in a row{why}",
        "Look for a lock, a full queue or a long call in the endpoint's server; see its log lines.",
    )
    return _of_replica(fact, Stage.HEALTH, cause, log_tail)


def smoke_failure(fact: ReplicaFact, log_tail: tuple[str, ...]) -> FailureRecord:
    """Say what the smoke test asked, and what came."""
    said = fact.smoke.message if fact.smoke else "it was not done in time."
    cause = Cause(
        Reason.SMOKE_TEST_FAILED,
        f"The smoke test of endpoint {fact.endpoint} failed: {said}",
        "Send the same request to the endpoint on your machine; mend the model or the test.",
    )
    return _of_replica(fact, Stage.SMOKE_TEST, cause, log_tail)


def loop_failure(fact: ReplicaFact, crashes: int, log_tail: tuple[str, ...]) -> FailureRecord:
    """Say how the replicas of what serves end, again and again."""
    how = {ReplicaState.UNREADY: "stopped answering", ReplicaState.GONE: "vanished"}
    cause = Cause(
        Reason.CRASH_LOOP,
        f"Endpoint {fact.endpoint} {how.get(fact.state, _ended(fact))}, {crashes} times in a row, "
        "and no replica is ready.",
        "It is started again and again. Read the log lines below; roll back to a release that ran.",
    )
    return _of_replica(fact, Stage.START, cause, log_tail)


def secret_failure(problem: str, at: datetime) -> FailureRecord:
    """Say which secrets a release names that are not stored."""
    return FailureRecord(
        stage=Stage.START,
        reason=Reason.SECRET_MISSING,
        message=f"The replicas cannot be started: {problem}",
        hint="Set the secret again, then release with its new version: slipway secret set NAME",
        at=at,
    )


def ending_failure(
    desired: Desired, facts: Mapping[tuple[str, str], ReplicaFact], at: datetime
) -> FailureRecord:
    """Say what a stop, delete or purge has left over at its deadline."""
    seconds = desired.settings.stop_deadline_seconds
    left = [f"release {each.number} drains" for each in desired.releases]
    left += [f"workload {each.workload.id} runs" for each in desired.workloads]
    for removed in desired.removed:
        known = [(each, facts.get((removed.id, each))) for each in removed.replicas]
        left += [
            f"replica {replica} of workload {removed.id} is {fact.state if fact else 'unseen'}"
            for replica, fact in known
            if fact is None or fact.state is not ReplicaState.GONE
        ]
    names = "; ".join(left) or "the target has not confirmed it"
    return FailureRecord(
        stage=Stage.DEADLINE,
        reason=Reason.STOP_NOT_FINISHED,
        message=f"Not everything ended within {seconds:g} s: {names}.",
        hint="It goes on; check that the monitor and the target run: slipway status",
        at=at,
    )


def wrong_port_failure(fact: ReplicaFact, log_tail: tuple[str, ...], at: datetime) -> FailureRecord:
    """Say that a replica listens where nobody asks."""
    cause = port_cause(fact) or Cause(Reason.WRONG_PORT, "It listens elsewhere.", "")
    return _of_replica(fact, Stage.HEALTH, cause, log_tail, at)


def port_failure(port: int, holder: int, at: datetime) -> FailureRecord:
    """Say that two releases cannot run beside each other because both insist on one port."""
    return FailureRecord(
        stage=Stage.START,
        reason=Reason.PORT_TAKEN,
        message=f"Release {holder}, which stays, listens on port {port}, and this release insists on it too.",
        hint="Let the server listen on $PORT, or take the alias or pin from the other release first.",
        at=at,
    )


def foreign_port_failure(
    release: DesiredRelease, port: Port, holder: Claim, *, group: str, at: datetime
) -> FailureRecord:
    """Say that another deployment has a port that this release insists on; other groups' are not named."""
    target, number = port
    endpoints = release.version.endpoints if release.version else ()
    named = [f"endpoint {each.name}" for each in endpoints if each.fixed_port == number]
    other, stop = "a deployment of another group", "choose another port"
    if holder.group == group:
        other, stop = f"deployment {holder.deployment}", f"stop that first: slipway stop {holder.deployment}"
    return FailureRecord(
        stage=Stage.START,
        reason=Reason.PORT_TAKEN,
        message=f"Port {number} of target {target} belongs to {other}, and "
        f"{named[0] if named else 'this release'} insists on it too.",
        hint=f"Let the server listen on $PORT, or {stop}",
        at=at,
    )


def deadline_failure(
    release: DesiredRelease, late: ReplicaFact | None, log_tail: tuple[str, ...], at: datetime
) -> FailureRecord:
    """Say why this replica was not ready in time, as far as it was seen; None: none was seen at all."""
    seconds = release.config.deadline_seconds
    if release.version is None:
        return FailureRecord(
            stage=Stage.DEADLINE,
            reason=Reason.DEADLINE_EXCEEDED,
            message=f"Build {release.build} did not end in time.",
            hint="Check that a builder runs: slipway status; then deploy again.",
            at=at,
        )
    if late is None:
        return FailureRecord(
            stage=Stage.DEADLINE,
            reason=Reason.DEADLINE_EXCEEDED,
            message=f"No replica was seen within {seconds:g} s on target {release.config.target}.",
            hint="Check that the target's monitor runs: slipway status",
            at=at,
        )
    if late.state is ReplicaState.READY:
        return smoke_failure(late, log_tail)
    return _of_replica(late, Stage.HEALTH, _cause(late, release, seconds), log_tail, at)


def refusal_failure(release: DesiredRelease, refusal: Refusal, at: datetime) -> FailureRecord:
    """Say why the target could not be told in time what to run."""
    target, number = release.config.target, release.number
    if refusal.no_room:
        return FailureRecord(
            stage=Stage.CAPACITY,
            reason=Reason.CAPACITY_EXCEEDED,
            message=f"Target {target} has no room for release {number}: {refusal.problem}",
            hint="Free room there, ask for fewer replicas, or deploy with: --strategy in-place",
            at=at,
        )
    return FailureRecord(
        stage=Stage.DEADLINE,
        reason=Reason.DEADLINE_EXCEEDED,
        message=f"Target {target} could not be told of release {number}: {refusal.problem}",
        hint="Mend what the message names, then deploy again; see what runs with: slipway status",
        at=at,
    )


def traffic_failure(move: Move, silent: list[str], at: datetime) -> FailureRecord:
    """Say which gateways did not send requests to releases that were ready."""
    names = ", ".join(silent) or "no gateway has said anything yet"
    numbers = " and ".join(str(share.release) for share in move.shares)
    what = f"let {move.alias} lead to release {numbers}" if numbers else f"take {move.alias} away"
    return FailureRecord(
        stage=Stage.TRAFFIC,
        reason=Reason.TRAFFIC_NOT_ROUTED,
        message=f"The gateways did not {what} in time: {names}.",
        hint="Check that each gateway and its Envoy run: slipway status; then deploy again.",
        at=at,
    )


def settling_failure(silent: list[str], at: datetime) -> FailureRecord:
    """Say which gateways have not applied the settings, which stand."""
    names = ", ".join(silent) or "no gateway has said anything yet"
    return FailureRecord(
        stage=Stage.TRAFFIC,
        reason=Reason.TRAFFIC_NOT_ROUTED,
        message=f"The settings are changed, but not every gateway applied them in time: {names}.",
        hint="Check that each gateway and its Envoy run: slipway status; they apply it once they do.",
        at=at,
    )


def port_cause(fact: ReplicaFact) -> Cause | None:
    """Say where a replica listens, if it does so only where nobody asks; None where it does not."""
    port = _port(fact)
    others = [str(each) for each in fact.listening if str(each) != port]
    if not others or len(others) < len(fact.listening):
        return None
    return Cause(
        Reason.WRONG_PORT,
        f"Endpoint {fact.endpoint} listens on port {', '.join(others)}, but $PORT is {port}.",
        "Let the server listen on the port that the environment variable PORT names.",
    )


def _ended(fact: ReplicaFact) -> str:
    return f"was ended by {fact.signal}" if fact.signal else f"exited with code {fact.exit_code}"


def _of_replica(
    fact: ReplicaFact,
    stage: Stage,
    cause: Cause,
    log_tail: tuple[str, ...] = (),
    at: datetime | None = None,
) -> FailureRecord:
    """Return the record of what was seen of a replica.

    Args:
        fact: what was seen; how its process ended is in the record where it did.
        stage: where it failed.
        cause: why.
        log_tail: its last log lines, for a fact that holds none.
        at: when it became a failure; None: when it was seen.
    """
    return FailureRecord(
        stage=stage,
        reason=cause.reason,
        message=cause.message,
        hint=cause.hint,
        at=at or fact.at,
        exit_code=fact.exit_code,
        signal=fact.signal,
        log_tail=fact.log_tail or log_tail,
        endpoint=fact.endpoint,
        replica=fact.replica,
    )


def _port(fact: ReplicaFact) -> str:
    return fact.address.rpartition(":")[2] if fact.address else "?"


def _cause(fact: ReplicaFact, release: DesiredRelease, seconds: float) -> Cause:
    port = _port(fact)
    endpoints = release.version.endpoints if release.version else ()
    health = next((each.health for each in endpoints if each.name == fact.endpoint), None)
    elsewhere = port_cause(fact)
    if elsewhere is not None:
        return elsewhere
    if health is not None and fact.listening:
        return Cause(
            Reason.HEALTH_CHECK_FAILED,
            f"GET {health} of {fact.endpoint} gave no 2xx or 3xx within {seconds:g} s: {fact.detail}",
            f"Make {health} answer 200 when the model is loaded, or raise the deadline.",
        )
    why = f" {fact.detail}" if fact.detail else ""
    if fact.listening:
        return Cause(
            Reason.REPLICA_HUNG,
            f"Endpoint {fact.endpoint} listens on port {port}, but gave no answer within {seconds:g} s.{why}",
            "Look for what its server waits for; load the model faster, or raise the deadline.",
        )
    return Cause(
        Reason.NEVER_LISTENED,
        f"Endpoint {fact.endpoint} did not listen on port {port} within {seconds:g} s.{why}",
        "Let the server listen on $PORT, load the model faster, or raise the deadline.",
    )
