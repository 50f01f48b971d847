"""The conditions of a deployment: one aspect each, true, false or not known yet. Pure."""

from collections.abc import Sequence

from slipway_contracts.evolve import DeploymentFacts, replica_counts
from slipway_contracts.failure import Stage
from slipway_contracts.lifecycle import ReleaseState
from slipway_store.rows import ReleaseRow

from slipway_api.views import Condition


def conditions(
    facts: DeploymentFacts, newest: ReleaseRow | None, live: ReleaseRow | None
) -> Sequence[Condition]:
    """Return the conditions, in the order in which a deploy makes them true."""
    found = [_build_ready(newest), _replicas_ready(facts, newest, live), _traffic_routed(facts, newest, live)]
    return [condition for condition in found if condition is not None]


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
    return Condition(
        type="ReplicasReady",
        status=True if all_ready else None,
        reason="AllReady" if all_ready else "Starting",
        message="All replicas were seen ready." if all_ready else "The replicas are starting.",
        release=newest.number,
        since=newest.ready_at or newest.started_at,
    )


def _traffic_routed(
    facts: DeploymentFacts, newest: ReleaseRow | None, live: ReleaseRow | None
) -> Condition | None:
    shifting = facts.desired.shifting if facts.desired else None
    if shifting is not None:
        return Condition(
            type="TrafficRouted",
            status=None,
            reason="WaitsForGateways",
            message=f"The gateways are to send the requests to release {shifting.number}.",
            release=shifting.number,
            since=newest.ready_at if newest else None,
        )
    if newest is None:
        return None
    return Condition(
        type="TrafficRouted",
        status=live is not None,
        reason="Routed" if live else "NoRelease",
        message=f"Requests go to release {live.number}." if live else "No release gets requests.",
        release=live.number if live else None,
        since=live.live_at if live else None,
    )
