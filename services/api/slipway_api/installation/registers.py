"""What the log says about names, secrets and artifacts of groups, kept in memory by the directory.

A register takes the messages in log order and answers; it reads nothing itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    ArtifactUploaded,
    NameClaimed,
    SecretConfigured,
)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Who claimed a name last, and where the log says so."""

    deployment: str
    sequence: int


class NameRegister:
    """The names of deployments that are not their ids; ids are not kept."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Claim] = {}

    def take(self, claimed: NameClaimed, sequence: int) -> None:
        """Take a message of the log."""
        if claimed.name == claimed.deployment:
            self._known.pop((claimed.group, claimed.name), None)
        else:
            claim = Claim(deployment=claimed.deployment, sequence=sequence)
            self._known[claimed.group, claimed.name] = claim

    def find(self, group: str, name: str) -> Claim | None:
        """Return the last claim of a name; None: nobody claimed it, or as its id."""
        return self._known.get((group, name))


@dataclass(frozen=True, kw_only=True)
class SecretKnown:
    """A group's secret, without any value.

    Attributes:
        version: the newest.
        removed: the newest version that was removed; older ones were removed too. 0: none.
    """

    name: str
    version: int
    removed: int
    created_at: datetime
    changed_at: datetime
    changed_by: str

    @property
    def exists(self) -> bool:
        """Whether a version is left."""
        return self.version > self.removed

    def has(self, version: int) -> bool:
        """Say whether this version was set and not removed."""
        return self.removed < version <= self.version


class SecretRegister:
    """The secrets of all groups.

    Messages of several writers may come in another order than their versions: the largest counts.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], SecretKnown] = {}

    def take(self, event: SecretConfigured, at: datetime) -> None:
        """Take a message of the log."""
        key = (event.group, event.secret)
        known = self._known.get(key)
        removed = known.removed if known else 0
        version = max(event.version, known.version if known else 0)
        if event.removed:
            removed = max(removed, event.version)
        fresh = known is None or not known.exists
        self._known[key] = SecretKnown(
            name=event.secret,
            version=version,
            removed=removed,
            created_at=at if fresh or known is None else known.created_at,
            changed_at=at,
            changed_by=event.by,
        )

    def find(self, group: str, name: str) -> SecretKnown | None:
        """Return a secret, a removed one too."""
        return self._known.get((group, name))

    def of(self, group: str) -> Sequence[SecretKnown]:
        """Return the secrets of a group that have a version, by name."""
        known = (secret for (owner, _), secret in self._known.items() if owner == group)
        return sorted((secret for secret in known if secret.exists), key=lambda secret: secret.name)


@dataclass(frozen=True, kw_only=True)
class ArtifactKnown:
    """What the log says about an artifact of a group; `adopted` is None for one that came another way."""

    digest: str
    adopted: ArtifactAdopted | None = None
    adopted_at: datetime | None = None
    hidden: bool = False


class ArtifactRegister:
    """The artifacts of all groups that were sent, adopted or hidden."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, ArtifactKnown]] = {}
        self._uploaded: dict[str, set[str]] = {}

    def take(self, event: ArtifactUploaded | ArtifactAdopted | ArtifactHidden, at: datetime) -> None:
        """Take a message of the log; adopting shows a hidden one again."""
        if isinstance(event, ArtifactUploaded):
            self._uploaded.setdefault(event.group, set()).add(event.digest)
            return
        known = self._known.setdefault(event.group, {})
        before = known.get(event.digest) or ArtifactKnown(digest=event.digest)
        if isinstance(event, ArtifactHidden):
            known[event.digest] = replace(before, hidden=event.hidden)
        else:
            known[event.digest] = replace(before, adopted=event, adopted_at=at, hidden=False)

    def find(self, group: str, digest: str) -> ArtifactKnown | None:
        """Return what is known of an artifact."""
        return self._known.get(group, {}).get(digest)

    def has(self, group: str, digest: str) -> bool:
        """Say whether a group sent or adopted this artifact."""
        known = self.find(group, digest)
        return digest in self._uploaded.get(group, ()) or (known is not None and known.adopted is not None)

    def is_hidden(self, group: str, digest: str) -> bool:
        """Say whether a group hides this artifact."""
        known = self.find(group, digest)
        return known is not None and known.hidden

    def adopted(self, group: str) -> Sequence[ArtifactKnown]:
        """Return what a group adopted, by digest, hidden ones too."""
        known = self._known.get(group, {}).values()
        return sorted((each for each in known if each.adopted is not None), key=lambda each: each.digest)

    def hidden(self, group: str) -> Sequence[str]:
        """Return the digests that a group hides."""
        return sorted(each.digest for each in self._known.get(group, {}).values() if each.hidden)
