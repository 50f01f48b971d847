"""Observations as replica facts: one fact per change. Pure."""

from datetime import datetime
from typing import Final

from slipway_contracts.replica import ReplicaFact, ReplicaState, SmokeResult
from slipway_engines.engine import ImageProblem, ReplicaObserved

_COMPARED: Final = (
    "state",
    "address",
    "started_at",
    "pid",
    "exit_code",
    "signal",
    "listening",
    "detail",
    "epoch",
)


def fact_of(
    seen: ReplicaObserved | ImageProblem, known: ReplicaFact | None, *, target: str, epoch: int
) -> ReplicaFact | None:
    """Return the fact to publish, or None where `known` says the same already.

    What a smoke test showed of a process stays with it. A fact of an earlier epoch is always written again:
    the write takes the record over from the monitor that held the lease before.
    """
    workload = seen.ref.workload
    fact = ReplicaFact(
        group=workload.group,
        deployment=workload.deployment,
        workload=workload.id,
        replica=seen.ref.id,
        endpoint=seen.endpoint,
        target=target,
        transition=known.transition + 1 if known else 1,
        epoch=epoch,
        at=max(seen.at, known.at) if known else seen.at,
        smoke=known.smoke if known and is_same_process(seen, known) else None,
        **_details(seen),
    )
    if known is not None and all(getattr(known, name) == getattr(fact, name) for name in _COMPARED):
        return None
    return fact


def is_same_process(seen: ReplicaObserved | ImageProblem, known: ReplicaFact) -> bool:
    """Say whether what was seen is the process that a fact tells of."""
    if isinstance(seen, ImageProblem) or seen.pid is None:
        return False
    return (seen.pid, seen.started_at) == (known.pid, known.started_at)


def smoke_tested(known: ReplicaFact, smoke: SmokeResult, *, epoch: int, at: datetime) -> ReplicaFact:
    """Return the fact of a replica with what its smoke test showed."""
    return known.model_copy(
        update={
            "smoke": smoke,
            "transition": known.transition + 1,
            "epoch": epoch,
            "at": max(at, known.at),
        }
    )


def _details(seen: ReplicaObserved | ImageProblem) -> dict[str, object]:
    if isinstance(seen, ImageProblem):
        return {"state": ReplicaState.BLOCKED, "detail": f"{seen.reason}: {seen.message}"}
    return {
        "state": seen.state,
        "address": seen.address,
        "started_at": seen.started_at,
        "pid": seen.pid,
        "exit_code": seen.exit_code,
        "signal": seen.signal,
        "log_tail": seen.log_tail,
        "listening": seen.listening,
        "detail": seen.detail,
    }


def gone(known: ReplicaFact, *, epoch: int, at: object) -> ReplicaFact:
    """Return the fact that a replica is no longer there; what is known of its end stays in it."""
    return known.model_copy(
        update={
            "state": ReplicaState.GONE,
            "transition": known.transition + 1,
            "epoch": epoch,
            "at": at,
            "address": None,
            "listening": (),
        }
    )
