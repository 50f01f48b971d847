"""What is said of a deployment that is about to end: what it waits for, and why that took too long. Pure."""

from collections.abc import Iterator
from typing import Final

from slipway_contracts.desired import Desired
from slipway_contracts.evolve import DeploymentFacts
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import DeploymentState
from slipway_store.rows import DeploymentStatus, OperationRow

from slipway_api.answers.views import Condition

ENDING: Final = {
    DeploymentState.STOPPING: "stop",
    DeploymentState.DELETING: "delete",
    DeploymentState.PURGING: "purge",
}
"""States on the way to an end, and the command that leads there."""
_MOST_NAMED: Final = 5


def failure(status: DeploymentStatus, ending: OperationRow | None) -> FailureRecord | None:
    """Return why the end took longer than it may, and how to ask for it again; None: it has not."""
    if ending is None or ending.failure is None or status.state not in ENDING:
        return None
    again = f"repeat the {ENDING[status.state]}: slipway {ENDING[status.state]} {status.name or status.id}"
    return ending.failure.model_copy(update={"hint": f"{ending.failure.hint}; {again}"})


def conditions(status: DeploymentStatus, facts: DeploymentFacts) -> Iterator[Condition]:
    """Say what the end of a deployment waits for."""
    if status.state not in ENDING:
        return
    desired = facts.desired
    undecided = desired is None or desired.position < facts.last_command
    yield Condition(
        type="Ended",
        status=None,
        reason="Undecided" if undecided else "Ending",
        message="No deployer has taken the command yet." if undecided else _waits_for(facts, desired),
        since=facts.changed_at,
    )


def _waits_for(facts: DeploymentFacts, desired: Desired | None) -> str:
    if desired is None:
        return ""
    left = [f"release {each.number} drains" for each in desired.releases]
    left += [f"workload {each.workload.id} runs" for each in desired.workloads]
    left += [
        f"replica {replica} of workload {removed.id} ends"
        for removed in desired.removed
        for replica in removed.replicas
        if (seen := facts.replicas.get(f"{removed.id}/{replica}")) is None or not seen.gone
    ]
    more = [f"{len(left) - _MOST_NAMED} more"] if len(left) > _MOST_NAMED else []
    return f"Waits for: {'; '.join(left[:_MOST_NAMED] + more) or 'the target has not confirmed it'}."
