"""Releases on their way, and the moves that wait for them: ready, failed, shifted, live. Pure."""

from datetime import datetime, timedelta
from typing import Final

from slipway_contracts.desired import DesiredRelease
from slipway_contracts.events import ReleaseReady
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.traffic import Move, releases_of

from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.diagnosis import (
    deadline_failure,
    exit_failure,
    foreign_port_failure,
    hung_failure,
    image_failure,
    port_cause,
    port_failure,
    refusal_failure,
    secret_failure,
    smoke_failure,
    traffic_failure,
    wrong_port_failure,
)
from slipway_deployer.desired.endings import Failed, dropped, failed
from slipway_deployer.desired.needs import named
from slipway_deployer.desired.observed import ENDED, Observed
from slipway_deployer.desired.shifts import deadline_of, finished, live, shifted, shifted_back
from slipway_deployer.desired.workloads import taken_port
from slipway_deployer.fixed_ports import Port, claims_of
from slipway_deployer.judging.restarts import attempts_used_up, hangs
from slipway_deployer.judging.retention import retained

WRONG_PORT_AFTER: Final = timedelta(seconds=10)
_WAITS_FOR_REPLICAS: Final = frozenset({ReleaseState.PENDING, ReleaseState.STARTING})


def is_late(what: DesiredRelease | Move, at: datetime) -> bool:
    """Whether this should have gone on by now."""
    return what.deadline_at is not None and at >= what.deadline_at


def finish_shifts(decision: Decision, observed: Observed) -> Decision:
    """The gateways send requests as they were told, or have not said so in time."""
    for alias in [move.alias for move in decision.desired.shifting]:
        # Taken from the record each time: the failure of another move may have ended its operation.
        move = next(each for each in decision.desired.shifting if each.alias == alias)
        if observed.applied:
            decision = retained(finished(decision, move), move)
        elif is_late(move, decision.at):
            decision = _given_up(decision, move, observed)
    return decision


def _given_up(decision: Decision, move: Move, observed: Observed) -> Decision:
    """No gateway said in time that it sends requests there: they go back to what served."""
    failure = traffic_failure(move, observed.silent, decision.at)
    serves = any(release.state is ReleaseState.LIVE for release in decision.desired.releases)
    return shifted_back(decision.changed(failed=not serves), move, Failed(failure))


def judge_starting(decision: Decision, observed: Observed) -> Decision:
    """Let the releases whose replicas are ready go on, and end those whose replicas cannot become it."""
    decision = _without_port_takers(decision)
    for number in [each.number for each in decision.desired.releases if each.state in _WAITS_FOR_REPLICAS]:
        release = decision.desired.release(number)
        if release is not None and release.state in _WAITS_FOR_REPLICAS:
            decision = _judged(decision, release, observed)
    return decision


def _without_port_takers(decision: Decision) -> Decision:
    """End what took a port from a release that stays now: the move that was to replace it is gone."""
    for number in [each.number for each in decision.desired.unfinished if each.workloads]:
        release = decision.desired.release(number)
        taken = taken_port(decision.desired, release) if release is not None else None
        if release is not None and taken is not None:
            decision = failed(decision, release, port_failure(*taken, decision.at))
    return decision


def _judged(decision: Decision, release: DesiredRelease, observed: Observed) -> Decision:
    # Ready beats late: a deployer that was down when the deadline passed does not fail what stands ready.
    if release.state is ReleaseState.STARTING and observed.all_ready(decision.desired, release):
        return decision.moved(release, ReleaseState.READY, deadline_at=None).emit_for(
            release, ReleaseReady(**decision.owner, release=release.number)
        )
    failure = _taken_elsewhere(decision, release, observed) or _failure_of(decision, release, observed)
    if failure is None and is_late(release, decision.at):
        failure = late_failure(decision, release, observed)
    return decision if failure is None else failed(decision, release, failure)


def _failure_of(decision: Decision, release: DesiredRelease, observed: Observed) -> FailureRecord | None:
    if release.state is not ReleaseState.STARTING:
        return None
    for workload in release.workloads.values():
        if workload in observed.missing_secrets:
            return secret_failure(observed.missing_secrets[workload], decision.at)
    for each, slot, fact in observed.of_release(decision.desired, release):
        crashes = each.crashes[slot]
        tail = observed.log_tails.get((fact.workload, fact.replica), ())
        if fact.state is ReplicaState.BLOCKED:
            return image_failure(fact)
        if fact.smoke is not None and not fact.smoke.passed and fact.state is ReplicaState.READY:
            return smoke_failure(fact, tail)
        if fact.state in ENDED and attempts_used_up(decision, each, crashes):
            return exit_failure(fact, crashes + 1, each.workload.command)
        if hangs(decision, observed, each, fact) and attempts_used_up(decision, each, crashes):
            return hung_failure(fact, crashes + 1, tail)
        if listens_elsewhere(fact) and decision.at - fact.at >= WRONG_PORT_AFTER:
            return wrong_port_failure(fact, tail, decision.at)
    return None


def _taken_elsewhere(decision: Decision, release: DesiredRelease, observed: Observed) -> FailureRecord | None:
    """Say that another deployment has a fixed port that this release waits for."""
    if release.state is not ReleaseState.STARTING or not observed.ports:
        return None
    group = decision.desired.group
    for port, own in claims_of(decision.desired).items():
        other = observed.ports.get(port)
        if other is not None and other < own and _wants(decision, release, port):
            return foreign_port_failure(release, port, other, group=group, at=decision.at)
    return None


def _wants(decision: Decision, release: DesiredRelease, port: Port) -> bool:
    wanted = filter(None, map(decision.desired.workload, release.workloads.values()))
    return any((each.workload.target, each.workload.fixed_port) == port for each in wanted)


def listens_elsewhere(fact: ReplicaFact) -> bool:
    """Whether a replica that is not ready listens, and only on ports that nobody asks."""
    waits = fact.state in {ReplicaState.STARTED, ReplicaState.UNREADY}
    return waits and port_cause(fact) is not None


def late_failure(decision: Decision, release: DesiredRelease, observed: Observed) -> FailureRecord:
    """Say why a release was not ready in time."""
    seen = list(observed.of_release(decision.desired, release))
    unready = (fact for _, _, fact in seen if fact.state is not ReplicaState.READY)
    untested = (fact for each, _, fact in seen if each.workload.smoke_test and fact.smoke is None)
    late = next(iter((*unready, *untested)), None)
    refused = next(
        (observed.refused[each] for each in release.workloads.values() if each in observed.refused), None
    )
    if late is None and refused is not None:
        return refusal_failure(release, refused, decision.at)
    tail = observed.log_tails.get((late.workload, late.replica), ()) if late else ()
    return deadline_failure(release, late, tail, decision.at)


def judge_moves(decision: Decision, observed: Observed) -> Decision:
    """Shift each alias whose releases are all ready now; its earlier shift comes to its end first."""
    for move in decision.desired.moves:
        busy = any(each.alias == move.alias for each in decision.desired.shifting)
        if not move.shifted and not busy and move in decision.desired.moves:
            decision = _judged_move(decision, move, observed)
    return _run_pinned(decision, observed)


def _judged_move(decision: Decision, move: Move, observed: Observed) -> Decision:
    releases = [decision.desired.release(number) for number in sorted(releases_of(move.shares))]
    known = [each for each in releases if each is not None]
    if any(each.state in _WAITS_FOR_REPLICAS for each in known):
        return decision
    late = next((each for each in known if not observed.all_ready(decision.desired, each)), None)
    if late is None:
        return shifted(decision, move)
    if move.deadline_at is None:
        deadline = decision.at + deadline_of(decision, move)
        return decision.with_move(move.model_copy(update={"deadline_at": deadline}), instead_of=move)
    if not is_late(move, decision.at):
        return decision
    failure = late_failure(decision, late, observed)
    if late in decision.desired.unfinished and late.number not in decision.desired.pins:
        return failed(decision, late, failure)
    return dropped(decision, [move], Failed(failure))


def _run_pinned(decision: Decision, observed: Observed) -> Decision:
    """A pinned release that is ready serves the URL of its version, whatever alias it waits for."""
    names = named(decision.desired)
    for number in [each for each in decision.desired.pins if each in names]:
        release = decision.desired.release(number)
        if release is None or release.state not in {ReleaseState.READY, ReleaseState.DRAINING}:
            continue
        if observed.all_ready(decision.desired, release):
            decision = retained(live(decision, number), release)
    return decision
