"""Replica facts as failure records: the cause in words, and what to do next. Pure."""

from datetime import datetime

from slipway_contracts.desired import DesiredRelease
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.replica import ReplicaFact


def exit_failure(fact: ReplicaFact, attempts: int) -> FailureRecord:
    """Say how a replica ended that never became ready."""
    how = f"was ended by {fact.signal}" if fact.signal else f"exited with code {fact.exit_code}"
    return FailureRecord(
        stage=Stage.START,
        reason=Reason.REPLICA_EXITED,
        message=f"Endpoint {fact.endpoint} {how}, {attempts} times in a row, before it was ready.",
        hint="Read the log lines below; run the endpoint's command on your machine with PORT set.",
        at=fact.at,
        exit_code=fact.exit_code,
        signal=fact.signal,
        log_tail=fact.log_tail,
        endpoint=fact.endpoint,
        replica=fact.replica,
    )


def image_failure(fact: ReplicaFact) -> FailureRecord:
    """Say why the engine cannot start the image at all."""
    return FailureRecord(
        stage=Stage.START,
        reason=Reason.IMAGE_UNUSABLE,
        message=f"Endpoint {fact.endpoint} cannot be started: {fact.detail or 'its image is unusable'}",
        hint="Build the version again: slipway deploy PATH",
        at=fact.at,
        log_tail=fact.log_tail,
        endpoint=fact.endpoint,
        replica=fact.replica,
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
    reason, message, hint = _cause(late, release, seconds)
    return FailureRecord(
        stage=Stage.HEALTH,
        reason=reason,
        message=message,
        hint=hint,
        at=at,
        exit_code=late.exit_code,
        signal=late.signal,
        log_tail=late.log_tail or log_tail,
        endpoint=late.endpoint,
        replica=late.replica,
    )


def traffic_failure(release: DesiredRelease, silent: list[str], at: datetime) -> FailureRecord:
    """Say which gateways did not send requests to a release that was ready."""
    names = ", ".join(silent) or "no gateway has said anything yet"
    return FailureRecord(
        stage=Stage.TRAFFIC,
        reason=Reason.TRAFFIC_NOT_ROUTED,
        message=f"The gateways did not take over release {release.number} in time: {names}.",
        hint="Check that each gateway and its Envoy run: slipway status; then deploy again.",
        at=at,
    )


def _cause(fact: ReplicaFact, release: DesiredRelease, seconds: float) -> tuple[Reason, str, str]:
    port = fact.address.rpartition(":")[2] if fact.address else "?"
    endpoints = release.version.endpoints if release.version else ()
    health = next((each.health for each in endpoints if each.name == fact.endpoint), None)
    others = [str(each) for each in fact.listening if str(each) != port]
    if others and len(others) == len(fact.listening):
        return (
            Reason.WRONG_PORT,
            f"Endpoint {fact.endpoint} listens on port {', '.join(others)}, but $PORT is {port}.",
            "Let the server listen on the port that the environment variable PORT names.",
        )
    if health is not None and fact.listening:
        return (
            Reason.HEALTH_CHECK_FAILED,
            f"GET {health} of {fact.endpoint} gave no 2xx or 3xx within {seconds:g} s: {fact.detail}",
            f"Make {health} answer 200 when the model is loaded, or raise the deadline.",
        )
    why = f" {fact.detail}" if fact.detail else ""
    return (
        Reason.NEVER_LISTENED,
        f"Endpoint {fact.endpoint} did not listen on port {port} within {seconds:g} s.{why}",
        "Let the server listen on $PORT, load the model faster, or raise the deadline.",
    )
