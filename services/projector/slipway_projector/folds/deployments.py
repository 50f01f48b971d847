"""The fold of a deployment: its facts, message by message, and its status, derived from them at the end."""

from collections.abc import Collection
from typing import Any

from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import Command, Deploy, Redeploy, Start
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.events import TargetFound, TargetLost
from slipway_contracts.evolve import DeploymentFacts, deployment_state, evolve, replica_counts
from slipway_store.rows import DeploymentRow

from slipway_projector.logged import Logged


def fold(row: DeploymentRow | None, message: AnyMessage, logged: Logged) -> DeploymentRow | None:
    """Fold a message into the facts of its deployment; only a command begins one.

    What is derived from the facts is stale until `settled`.
    """
    if row is None:
        if not isinstance(message, Command):
            return None
        row = _begun(message, logged)
    facts = evolve(row.facts, message, sequence=logged.sequence, at=logged.time)
    return row.model_copy(update={"facts": facts, "target": _target(row.target, facts, message)})


def watch(row: DeploymentRow, event: TargetLost | TargetFound, logged: Logged) -> DeploymentRow:
    """Fold that this deployment's target was lost or found."""
    facts = evolve(row.facts, event, sequence=logged.sequence, at=logged.time)
    return row.model_copy(update={"facts": facts.model_copy(update={"changed_at": logged.time})})


def settled(row: DeploymentRow, lost: Collection[str]) -> DeploymentRow:
    """Derive the status from the facts; `lost` names the targets that nobody watches."""
    facts = row.facts
    if facts.target_lost != (row.target in lost):
        facts = facts.model_copy(update={"target_lost": row.target in lost})
    return row.model_copy(update={"facts": facts, "sequence": facts.sequence} | _derived(row, facts))


def _begun(command: Command, logged: Logged) -> DeploymentRow:
    facts = DeploymentFacts.empty(command.group, command.deployment)
    return DeploymentRow(
        group=command.group,
        id=command.deployment,
        state=deployment_state(facts),
        wanted=facts.asked,
        ready=0,
        replicas=0,
        live_release=None,
        version_label=None,
        target=None,
        endpoints=(),
        last_command=0,
        created_at=logged.time,
        created_by=command.by,
        changed_at=logged.time,
        sequence=0,
        facts=facts,
    )


def _derived(row: DeploymentRow, facts: DeploymentFacts) -> dict[str, Any]:
    ready, wanted = replica_counts(facts)
    live = facts.desired.live if facts.desired else None
    shown = _shown(facts.desired)
    version = shown.version if shown else None
    return {
        "state": deployment_state(facts),
        "wanted": facts.asked,
        "ready": ready,
        "replicas": wanted,
        "live_release": live.number if live else None,
        "version_label": version.label if version else None,
        "endpoints": tuple(endpoint.name for endpoint in version.endpoints) if version else (),
        "last_command": facts.last_command,
        "changed_at": facts.changed_at or row.changed_at,
    }


def _shown(desired: Desired | None) -> DesiredRelease | None:
    if desired is None:
        return None
    return desired.live or desired.shifting or desired.unfinished


def _target(known: str | None, facts: DeploymentFacts, message: AnyMessage) -> str | None:
    match message:
        case Desired():
            shown = _shown(message)
            return shown.config.target if shown else known
        case Deploy() | Redeploy() | Start() if facts.desired is None or _shown(facts.desired) is None:
            return message.request.config.target
        case _:
            return known
