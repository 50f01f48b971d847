"""The pure fold of a deployment: messages of the log become facts, facts become one state.

No event sets a state. A fold over the same messages in the same order gives the same facts, and a message at
or before the last one folded changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import Cancel, Delete, Deploy, Redeploy, Start, Stop
from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import DeploymentState, Wanted
from slipway_contracts.replica import ReplicaFact, ReplicaState


class ReplicaSeen(BaseModel):
    """What a deployment needs to know of one of its replicas."""

    model_config = ConfigDict(frozen=True)

    workload: str
    ready: bool
    gone: bool
    transition: int
    epoch: int


class DeploymentFacts(BaseModel):
    """Everything from which the state of a deployment follows."""

    model_config = ConfigDict(frozen=True)

    group: str
    deployment: str
    sequence: int = Field(default=0, description="Last message folded.")
    last_command: int = Field(default=0, description="Sequence of the last command: the ETag.")
    asked: Wanted = Field(default=Wanted.RUNNING, description="What the last command asks for.")
    created_at: AwareDatetime | None = None
    created_by: str | None = None
    changed_at: AwareDatetime | None = None
    desired: Desired | None = None
    replicas: Mapping[str, ReplicaSeen] = Field(default_factory=dict)
    target_lost: bool = False

    @classmethod
    def empty(cls, group: str, deployment: str) -> Self:
        """Return the facts before the first message."""
        return cls(group=group, deployment=deployment)


def evolve(facts: DeploymentFacts, message: AnyMessage, *, sequence: int, at: datetime) -> DeploymentFacts:
    """Fold one message of this deployment; one that was folded before is ignored."""
    if sequence <= facts.sequence:
        return facts
    changes: dict[str, object] = {"sequence": sequence}
    match message:
        case Deploy() | Redeploy() | Start():
            changes |= _command(facts, sequence, at, message.by) | {"asked": Wanted.RUNNING}
        case Stop():
            changes |= _command(facts, sequence, at, message.by) | {"asked": Wanted.STOPPED}
        case Delete():
            changes |= _command(facts, sequence, at, message.by) | {"asked": Wanted.DELETED}
        case Cancel():
            changes |= _command(facts, sequence, at, message.by)
        case Desired():
            changes |= {"desired": message, "changed_at": at, "replicas": _still_wanted(facts, message)}
        case ReplicaFact():
            changes |= {"replicas": _seen(facts, message), "changed_at": at}
        case _:
            pass
    return facts.model_copy(update=changes)


def _command(facts: DeploymentFacts, sequence: int, at: datetime, by: str) -> dict[str, object]:
    return {
        "last_command": sequence,
        "created_at": facts.created_at or at,
        "created_by": facts.created_by or by,
        "changed_at": at,
    }


def _still_wanted(facts: DeploymentFacts, desired: Desired) -> dict[str, ReplicaSeen]:
    wanted = {
        f"{each.workload.id}/{replica}" for each in desired.workloads for replica in each.workload.replica_ids
    }
    return {key: seen for key, seen in facts.replicas.items() if key in wanted or not seen.gone}


def _seen(facts: DeploymentFacts, fact: ReplicaFact) -> dict[str, ReplicaSeen]:
    key = f"{fact.workload}/{fact.replica}"
    replicas = dict(facts.replicas)
    known = replicas.get(key)
    if known is not None and (known.epoch, known.transition) >= (fact.epoch, fact.transition):
        return replicas
    replicas[key] = ReplicaSeen(
        workload=fact.workload,
        ready=fact.state is ReplicaState.READY,
        gone=fact.state in {ReplicaState.GONE, ReplicaState.EXITED},
        transition=fact.transition,
        epoch=fact.epoch,
    )
    return replicas


def replica_counts(facts: DeploymentFacts) -> tuple[int, int]:
    """Return (ready, wanted) replicas of the release that serves."""
    live = facts.desired.live if facts.desired else None
    if facts.desired is None or live is None:
        return 0, 0
    ready = wanted = 0
    for identifier in live.workloads.values():
        workload = facts.desired.workload(identifier)
        if workload is None:
            wanted += live.config.replicas
            continue
        keys = [f"{identifier}/{replica}" for replica in workload.serving_replicas]
        wanted += len(keys)
        ready += sum(1 for key in keys if key in facts.replicas and facts.replicas[key].ready)
    return ready, wanted


def deployment_state(facts: DeploymentFacts) -> DeploymentState:
    """Return the one state that these facts mean."""
    desired = facts.desired
    decided = desired is not None and desired.position >= facts.last_command
    if facts.asked is Wanted.DELETED:
        return DeploymentState.DELETED if decided and desired and desired.ended else DeploymentState.DELETING
    if facts.asked is Wanted.STOPPED:
        return DeploymentState.STOPPED if decided and desired and desired.ended else DeploymentState.STOPPING
    if facts.target_lost:
        return DeploymentState.UNKNOWN
    if desired is None:
        return DeploymentState.DEPLOYING if facts.last_command else DeploymentState.NEW
    if not decided or desired.unfinished is not None or desired.shifting is not None:
        return DeploymentState.DEPLOYING
    if desired.live is None:
        return DeploymentState.FAILED if desired.failed else DeploymentState.NEW
    return _serving_state(*replica_counts(facts))


def _serving_state(ready: int, wanted: int) -> DeploymentState:
    if ready == wanted:
        return DeploymentState.DEPLOYED
    return DeploymentState.DEGRADED if ready else DeploymentState.UNAVAILABLE
