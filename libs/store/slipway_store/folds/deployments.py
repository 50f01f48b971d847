"""The fold of a deployment: its facts, message by message, and its status, derived from them at the end."""

from collections.abc import Collection, Iterator
from typing import Any, Final, get_args

from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import (
    AnyDeployerCommand,
    Command,
    Delete,
    Deploy,
    Redeploy,
    RemoveVersions,
    Start,
)
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.evolve import DeploymentFacts, charge, deployment_state, evolve, replica_counts
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.lifecycle import UNFINISHED_RELEASES, DeploymentState, ReleaseState, Wanted
from slipway_contracts.quota import Charge

from slipway_store.rows import DeploymentRow, MetadataRow
from slipway_store.told import Told
from slipway_store.words import pair_of, words_of

_UNLISTED: Final = frozenset({DeploymentState.DELETED, DeploymentState.PURGED})
_DECIDING: Final[frozenset[type]] = frozenset({*get_args(AnyDeployerCommand), Desired})
"""The messages that may change more of a row than its facts."""


def fold(row: DeploymentRow | None, message: AnyMessage, logged: Told) -> DeploymentRow | None:
    """Fold a message into the facts of its deployment; only a command begins one.

    The same row is returned where the message says nothing about them.
    What is derived from the facts is stale until `settled`.
    """
    if row is None:
        if not isinstance(message, Command) or isinstance(message, RemoveVersions):
            return None
        row = _begun(message, logged)
    facts = evolve(row.facts, message, sequence=logged.sequence, at=logged.time)
    if facts is row.facts:
        return row
    if type(message) not in _DECIDING:
        return row.model_copy(update={"facts": facts})
    changes = {
        "facts": facts,
        "target": _target(row.target, facts, message),
        "settings": _settings(row.settings, facts, message),
        "deleted": _deleted(row.deleted, facts, message),
    }
    return row.model_copy(update=changes)


def watch(row: DeploymentRow, event: TargetLost | TargetFound, logged: Told) -> DeploymentRow:
    """Fold that this deployment's target was lost or found."""
    facts = evolve(row.facts, event, sequence=logged.sequence, at=logged.time)
    return row.model_copy(update={"facts": facts})


def metadata(before: DeploymentRow | None, after: DeploymentRow, logged: Told) -> Iterator[MetadataRow]:
    """Return the pairs of a deployment's metadata that a message changed."""
    if before is not None and before.settings is after.settings:
        return
    old = before.settings.metadata if before else {}
    new = after.settings.metadata
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield MetadataRow(
                group=after.group,
                deployment=after.id,
                key=key,
                pair=pair_of(key, new[key]) if key in new else None,
                sequence=logged.sequence,
            )


def purged(row: DeploymentRow | None) -> bool:
    """Return whether the last decision is that nothing of this deployment is left."""
    desired = row.facts.desired if row else None
    return desired is not None and desired.wanted is Wanted.PURGED and desired.ended


def settled(row: DeploymentRow, lost: Collection[str]) -> DeploymentRow:
    """Derive the status from the facts; `lost` names the targets that nobody watches."""
    facts = row.facts
    if facts.target_lost != (row.target in lost):
        facts = facts.model_copy(update={"target_lost": row.target in lost})
    return row.model_copy(update={"facts": facts, "sequence": facts.sequence} | _derived(row, facts))


def _begun(command: Command, logged: Told) -> DeploymentRow:
    facts = DeploymentFacts.empty(command.group, command.deployment)
    return DeploymentRow(
        group=command.group,
        id=command.deployment,
        name=command.deployment,
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
    state = deployment_state(facts)
    return {
        **_found_by(row),
        **_of_desired(facts.desired),
        **_charged(charge(facts)),
        "state": state,
        "listed": state not in _UNLISTED,
        "wanted": facts.asked,
        "ready": ready,
        "replicas": wanted,
        "live_release": live.number if live else None,
        "version_label": version.label if version else None,
        "endpoints": tuple(endpoint.name for endpoint in version.endpoints) if version else (),
        "last_command": facts.last_command,
        "changed_at": facts.changed_at or row.changed_at,
    }


def _found_by(row: DeploymentRow) -> dict[str, object]:
    settings = row.settings
    name = settings.name or row.id
    return {
        "name": name,
        "description": settings.description,
        "metadata": settings.metadata,
        "words": words_of(row.id, name, settings.description),
    }


def _of_desired(desired: Desired | None) -> dict[str, object]:
    return {
        "aliases": desired.routes if desired else (),
        "pins": desired.pins if desired else (),
        "former_names": desired.former_names if desired else (),
        "crash_loop": desired.crash_loop if desired else None,
    }


def _charged(held: Charge) -> dict[str, object]:
    return {f"charge_{resource}": amount for resource, amount in held}


def _shown(desired: Desired | None) -> DesiredRelease | None:
    """Return the release that stands for a deployment: the one that serves most, or else is to."""
    if desired is None:
        return None
    serving = [release for release in desired.releases if release.state is ReleaseState.LIVE]
    on_their_way = [release for release in desired.releases if release.state in UNFINISHED_RELEASES]
    newest = max(serving or on_their_way, key=lambda release: release.number, default=None)
    return desired.live or newest


def _settings(known: DeploymentSettings, facts: DeploymentFacts, message: AnyMessage) -> DeploymentSettings:
    match message:
        case Desired():
            return message.settings
        case Deploy() if facts.desired is None and message.settings is not None:
            return message.settings
        case _:
            return known


def _deleted(known: str | None, facts: DeploymentFacts, message: AnyMessage) -> str | None:
    if facts.asked is Wanted.PURGED:
        return "purge"
    if facts.asked is not Wanted.DELETED:
        return None
    if isinstance(message, Delete) and known != "unload":
        return message.level
    return known


def _target(known: str | None, facts: DeploymentFacts, message: AnyMessage) -> str | None:
    match message:
        case Desired():
            shown = _shown(message)
            return shown.config.target if shown else known
        case Deploy() | Redeploy() | Start() if facts.desired is None or _shown(facts.desired) is None:
            return message.request.config.target
        case _:
            return known
