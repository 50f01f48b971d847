"""The pure fold of a deployment: messages of the log become facts, facts become one state.

No event sets a state. A fold over the same messages in the same order gives the same facts, and a message at
or before the last one folded changes nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Self, get_args

from pydantic import AwareDatetime, Field

from slipway_contracts.asking import Holdings, lets_run
from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import (
    AnyDeployerCommand,
    Cancel,
    Command,
    Configure,
    Delete,
    Deploy,
    Pin,
    Purge,
    Redeploy,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
)
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.frozen import Frozen
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.lifecycle import DeploymentState, ReleaseState, Wanted
from slipway_contracts.quota import Charge, held
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.wanting import wanted_after


class ReplicaSeen(Frozen):
    """What a deployment needs to know of one of its replicas."""

    workload: str
    ready: bool
    gone: bool
    transition: int
    epoch: int


class DeploymentFacts(Frozen):
    """Everything from which the state of a deployment follows."""

    group: str
    deployment: str
    sequence: int = Field(default=0, description="Last message that said something about these facts.")
    last_command: int = Field(default=0, description="Sequence of the last command: the ETag.")
    asked: Wanted = Field(default=Wanted.RUNNING, description="What the last command asks for.")
    created_at: AwareDatetime | None = None
    created_by: str | None = None
    changed_at: AwareDatetime | None = None
    desired: Desired | None = None
    replicas: Mapping[str, ReplicaSeen] = Field(default_factory=dict)
    target_lost: bool = False
    asked_charge: Charge = Field(default=Charge(), description="Of commands that are not decided yet.")
    asked_holdings: Holdings | None = Field(
        default=None, description="What these commands leave the deployment with; None: there is none."
    )

    @classmethod
    def empty(cls, group: str, deployment: str) -> Self:
        """Return the facts before the first message."""
        return cls(group=group, deployment=deployment)


_TELLING: Final[frozenset[type]] = frozenset(
    {*get_args(Command), Desired, ReplicaFact, TargetLost, TargetFound}
)
"""The messages from which facts follow; any other leaves them as they are."""


def evolve(facts: DeploymentFacts, message: AnyMessage, *, sequence: int, at: datetime) -> DeploymentFacts:
    """Fold one message of this deployment; one that was folded before is ignored."""
    if sequence <= facts.sequence or type(message) not in _TELLING:
        return facts
    changes: dict[str, object] = {"sequence": sequence}
    match message:
        case Desired():
            changes |= {"desired": message, "changed_at": at, "replicas": _still_wanted(facts, message)}
            if message.position >= facts.last_command:
                # A command that was refused changed nothing of what is wanted.
                changes |= {"asked_charge": Charge(), "asked_holdings": None, "asked": message.wanted}
        case ReplicaFact():
            changes |= {"replicas": _seen(facts, message), "changed_at": at}
        case Deploy() | Redeploy() | Start():
            changes |= _command(facts, message, sequence, at) | {"asked": Wanted.RUNNING}
        case Stop() | Delete() | Undelete() | Purge():
            changes |= _command(facts, message, sequence, at)
            changes |= {"asked": wanted_after(facts.asked, message)}
        case Cancel() | Configure() | SetAlias() | RemoveAlias() | Pin():
            changes |= _command(facts, message, sequence, at)
        case TargetLost() | TargetFound():
            changes |= {"changed_at": at}
        case _:
            pass
    return facts.model_copy(update=changes)


def _command(
    facts: DeploymentFacts, command: AnyDeployerCommand, sequence: int, at: datetime
) -> dict[str, object]:
    holdings = (facts.asked_holdings or Holdings.of(facts.desired)).after(command)
    charge = facts.asked_charge.at_least(holdings.charge) if lets_run(command) else facts.asked_charge
    return {
        "asked_holdings": holdings,
        "asked_charge": charge,
        "last_command": sequence,
        "created_at": facts.created_at or at,
        "created_by": facts.created_by or command.by,
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
    replicas[key] = ReplicaSeen.of_valid(
        workload=fact.workload,
        ready=fact.state is ReplicaState.READY,
        gone=fact.state in {ReplicaState.GONE, ReplicaState.EXITED},
        transition=fact.transition,
        epoch=fact.epoch,
    )
    return replicas


def charge(facts: DeploymentFacts) -> Charge:
    """Return what this deployment holds of its group's quota, commands that wait for a decision included."""
    gone = facts.asked in {Wanted.DELETED, Wanted.PURGED}
    if gone and _ended(facts):
        return Charge()
    return held(facts.desired).at_least(facts.asked_charge)


def replica_counts(facts: DeploymentFacts, *, release: int | None = None) -> tuple[int, int]:
    """Return (ready, wanted) replicas of what is behind the alias `live`; without it, of all that serves.

    Args:
        facts: those of a deployment.
        release: count those of this release instead, whether it serves or not.
    """
    if facts.desired is None:
        return 0, 0
    if release is not None:
        return _counts(facts, tuple(each for each in facts.desired.releases if each.number == release))
    return _counts(facts, facts.desired.serving() or _all_serving(facts.desired))


def _all_serving(desired: Desired) -> tuple[DesiredRelease, ...]:
    return tuple(release for release in desired.releases if release.state is ReleaseState.LIVE)


def _counts(facts: DeploymentFacts, releases: tuple[DesiredRelease, ...]) -> tuple[int, int]:
    wanted_of: dict[str, int] = {}
    for release in releases:
        for identifier in release.workloads.values():
            wanted_of[identifier] = max(wanted_of.get(identifier, 0), release.config.replicas)
    ready = wanted = 0
    for identifier, replicas in wanted_of.items():
        workload = facts.desired.workload(identifier) if facts.desired else None
        if workload is None:
            wanted += replicas
            continue
        keys = [f"{identifier}/{replica}" for replica in workload.serving_replicas]
        wanted += len(keys)
        ready += sum(1 for key in keys if key in facts.replicas and facts.replicas[key].ready)
    return ready, wanted


_ENDS: Final = {
    Wanted.DELETED: (DeploymentState.DELETING, DeploymentState.DELETED),
    Wanted.PURGED: (DeploymentState.PURGING, DeploymentState.PURGED),
    Wanted.STOPPED: (DeploymentState.STOPPING, DeploymentState.STOPPED),
}


def _ended(facts: DeploymentFacts) -> bool:
    desired = facts.desired
    return desired is not None and desired.position >= facts.last_command and desired.ended


def deployment_state(facts: DeploymentFacts) -> DeploymentState:
    """Return the one state that these facts mean."""
    desired = facts.desired
    if facts.asked in _ENDS:
        under_way, done = _ENDS[facts.asked]
        return done if _ended(facts) else under_way
    if facts.target_lost:
        return DeploymentState.UNKNOWN
    if desired is None:
        return DeploymentState.DEPLOYING if facts.last_command else DeploymentState.NEW
    undecided = desired.position < facts.last_command
    if undecided or desired.unfinished or desired.moves:
        return DeploymentState.DEPLOYING
    if not _all_serving(desired):
        return DeploymentState.FAILED if desired.failed else DeploymentState.NEW
    if desired.crash_loop is not None:
        return DeploymentState.FAILED
    return _serving_state(facts, desired)


def _serving_state(facts: DeploymentFacts, desired: Desired) -> DeploymentState:
    ready, wanted = replica_counts(facts)
    if ready == 0 and wanted:
        return DeploymentState.UNAVAILABLE
    all_ready, all_wanted = _counts(facts, _all_serving(desired))
    return DeploymentState.DEPLOYED if all_ready == all_wanted else DeploymentState.DEGRADED
