"""The conditions of a deployment: one aspect each, true, false or not known yet. Pure."""

from collections.abc import Sequence

from slipway_contracts.evolve import DeploymentFacts, charge, replica_counts
from slipway_contracts.failure import Stage
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.traffic import LIVE_ALIAS, Move
from slipway_store.rows import ReleaseRow, ReplicaRow

from slipway_api.answers.views import Condition


def conditions(
    facts: DeploymentFacts,
    newest: ReleaseRow | None,
    live: ReleaseRow | None,
    replicas: Sequence[ReplicaRow] = (),
) -> Sequence[Condition]:
    """Return the conditions, in the order in which a deploy makes them true."""
    found = [
        _quota_admitted(facts),
        _build_ready(newest),
        _replicas_ready(facts, newest, live),
        _smoke_test_passed(newest, replicas),
        _traffic_routed(facts, newest, live),
    ]
    return [condition for condition in found if condition is not None]


def _quota_admitted(facts: DeploymentFacts) -> Condition | None:
    held = charge(facts)
    if not held.deployments:
        return None
    return Condition(
        type="QuotaAdmitted",
        status=True,
        reason="Admitted",
        message=f"It holds {_counted(held.replicas, 'replica')} and {_counted(held.cpu, 'core')} of its "
        "group's quota.",
        since=facts.changed_at,
    )


def _counted(amount: float, what: str) -> str:
    return f"{amount:g} {what}{'' if amount == 1 else 's'}"


def _smoke_test_passed(newest: ReleaseRow | None, replicas: Sequence[ReplicaRow]) -> Condition | None:
    """Tell of the newest release, if its version has smoke tests."""
    if newest is None or newest.version is None:
        return None
    tested = {spec.name for spec in newest.version.endpoints if spec.smoke_test}
    workloads = {workload for name, workload in newest.workloads.items() if name in tested}
    if not workloads:
        return None
    asked = [row for row in replicas if row.workload in workloads and row.smoke is not None]
    failed = next((row for row in asked if row.smoke and not row.smoke.passed), None)
    status: bool | None = None
    reason, message = "NotAsked", "No replica was asked yet."
    if failed is not None and failed.smoke is not None:
        status, reason, message = False, "SmokeTestFailed", failed.smoke.message
    elif workloads <= {row.workload for row in asked}:
        status, reason, message = True, "Passed", "The replicas that are ready answered as expected."
    since = max((row.at for row in asked), default=newest.started_at)
    return Condition(
        type="SmokeTestPassed",
        status=status,
        reason=reason,
        message=message,
        release=newest.number,
        since=since,
    )


def _build_ready(newest: ReleaseRow | None) -> Condition | None:
    if newest is None:
        return None
    status: bool | None = True
    reason, message = "VersionThere", f"Version {newest.version_label}."
    if newest.failure is not None and newest.failure.stage is Stage.BUILD:
        status, reason, message = False, newest.failure.reason, newest.failure.message
    elif newest.version is None:
        status, reason, message = None, "BuildRunning", f"Waits for build {newest.build}."
        if newest.state in {ReleaseState.SUPERSEDED, ReleaseState.CANCELED}:
            status, reason, message = False, newest.state.title(), f"Build {newest.build} is not waited for."
    return Condition(
        type="BuildReady",
        status=status,
        reason=reason,
        message=message,
        release=newest.number,
        since=newest.started_at or newest.created_at,
    )


def _replicas_ready(
    facts: DeploymentFacts, newest: ReleaseRow | None, live: ReleaseRow | None
) -> Condition | None:
    if facts.target_lost:
        return Condition(
            type="ReplicasReady",
            status=None,
            reason="TargetLost",
            message="No monitor watches the target.",
            since=facts.changed_at,
        )
    if live is not None:
        ready, wanted = replica_counts(facts)
        return Condition(
            type="ReplicasReady",
            status=ready == wanted,
            reason="AllReady" if ready == wanted else "NotAllReady",
            message=f"{ready} of {wanted} replicas are ready.",
            release=live.number,
            since=facts.changed_at,
        )
    if newest is None or newest.state not in {ReleaseState.STARTING, ReleaseState.READY}:
        return None
    all_ready = newest.state is ReleaseState.READY
    ready, wanted = replica_counts(facts, release=newest.number)
    return Condition(
        type="ReplicasReady",
        status=True if all_ready else None,
        reason="AllReady" if all_ready else "Starting",
        message="All replicas were seen ready." if all_ready else f"{ready} of {wanted} replicas are ready.",
        release=newest.number,
        since=newest.ready_at or newest.started_at,
    )


def _traffic_routed(
    facts: DeploymentFacts, newest: ReleaseRow | None, live: ReleaseRow | None
) -> Condition | None:
    shifting = next(iter(facts.desired.shifting), None) if facts.desired else None
    if shifting is not None:
        return Condition(
            type="TrafficRouted",
            status=None,
            reason="WaitsForGateways",
            message=f"The gateways are to send the requests of alias {shifting.alias} to {_named(shifting)}.",
            release=_heaviest(shifting),
            since=newest.ready_at if newest else None,
        )
    if newest is None:
        return None
    return Condition(
        type="TrafficRouted",
        status=live is not None,
        reason="Routed" if live else "NoRelease",
        message=_where(facts, live) if live else "No release gets requests.",
        release=live.number if live else None,
        since=live.live_at if live else None,
    )


def _where(facts: DeploymentFacts, live: ReleaseRow) -> str:
    shares = facts.desired.shares_of(LIVE_ALIAS) if facts.desired else ()
    if len(shares) <= 1:
        return f"Requests go to release {live.number}."
    ordered = sorted(shares, key=lambda share: -share.weight)
    parts = " and ".join(f"{share.weight} % to release {share.release}" for share in ordered)
    return f"Requests go {parts}."


def _heaviest(move: Move) -> int | None:
    return max(((share.weight, share.release) for share in move.shares), default=(0, None))[1]


def _named(move: Move) -> str:
    if not move.shares:
        return "nothing"
    return ", ".join(f"release {share.release} ({share.weight} %)" for share in move.shares)
