"""What is configured in the installation and its groups, and its targets, followed from the log into memory.

The log is their only home: a restart reads them again. Decides nothing about what a key may do.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    ArtifactUploaded,
    GroupConfigured,
    InstanceTypeConfigured,
    KeyConfigured,
    NameClaimed,
    SecretConfigured,
    TargetAnnounced,
    TargetFound,
    TargetLost,
    WebhookConfigured,
    WebhookDisabled,
)
from slipway_contracts.webhook_events import WebhookRemoved
from slipway_contracts.webhooks import WebhookRegister

from slipway_api.identity.access import Principal, api_key_digest
from slipway_api.identity.memberships import Memberships
from slipway_api.installation.registers import ArtifactRegister, NameRegister, SecretRegister

_LONGEST_LAG_SECONDS: Final = 5.0


@dataclass(frozen=True, kw_only=True)
class TargetKnown:
    """A target as its monitor announced it, and since when no monitor holds it."""

    announced: TargetAnnounced
    lost_since: datetime | None = None

    @property
    def lost(self) -> bool:
        """Whether no monitor holds it."""
        return self.lost_since is not None


@dataclass(frozen=True, kw_only=True)
class GroupKnown:
    """A group as it is configured, and the sequence of the message that says so: its ETag."""

    configured: GroupConfigured
    sequence: int


@dataclass(frozen=True, kw_only=True)
class _KeyKnown:
    """A key as it is configured, and what tells those who use it that it no longer is."""

    configured: KeyConfigured
    outdated: asyncio.Event


class Directory:
    """Answers from memory once `caught_up` is set; before, it knows less than there is.

    Args:
        log: what it follows.
        patience: seconds that it may be behind the log, where somebody waits for it.
    """

    def __init__(self, *, log: EventLog, patience: float = _LONGEST_LAG_SECONDS) -> None:
        self.caught_up = asyncio.Event()
        self.names = NameRegister()
        self.secrets = SecretRegister()
        self.artifacts = ArtifactRegister()
        self.webhooks = WebhookRegister()
        self._log = log
        self._patience = patience
        self._keys: dict[str, _KeyKnown] = {}
        self._groups: dict[str, GroupKnown] = {}
        self._memberships = Memberships()
        self._instance_types: dict[str, InstanceTypeConfigured] = {}
        self._targets: dict[str, TargetKnown] = {}
        self._applied = 0
        self._moved = asyncio.Condition()

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async for item in self._log.follow(subjects.INSTALLATION_EVENTS, start=After(0)):
            match item:
                case CaughtUp():
                    self.caught_up.set()
                case Stored():
                    await self._apply(item)

    async def applied(self, sequence: int) -> None:
        """Wait until the message of this sequence, which the log has, is known here.

        Raises:
            LogUnavailableError: this process cannot follow the log.
        """
        try:
            async with asyncio.timeout(self._patience), self._moved:
                await self._moved.wait_for(lambda: self._applied >= sequence)
        except TimeoutError:
            raise LogUnavailableError("this process does not follow the log any more") from None

    async def current(self, subject: str) -> None:
        """Wait until all is known here that the log holds on this subject of the installation's or a group's.

        Raises:
            LogUnavailableError: the log does not answer, or this process cannot follow it.
        """
        last = await self._log.last(subject)
        if last is not None:
            await self.applied(last.sequence)

    def principal(self, secret: str) -> Principal | None:
        """Return who holds this key; None for one that is unknown or revoked."""
        known = self._keys.get(api_key_digest(secret))
        if known is None or known.configured.revoked:
            return None
        key = known.configured
        return Principal(
            key=key.key,
            user=key.user,
            grants=key.grants,
            memberships=self._memberships.of(key.user),
            outdated=known.outdated,
        )

    def valid_keys(self) -> Sequence[KeyConfigured]:
        """Return all keys that are not revoked."""
        keys = (known.configured for known in self._keys.values())
        return sorted((key for key in keys if not key.revoked), key=lambda key: key.user)

    def has_group(self, name: str) -> bool:
        """Say whether the group was configured."""
        return name in self._groups

    def group(self, name: str) -> GroupKnown | None:
        """Return the group of this name."""
        return self._groups.get(name)

    def groups(self) -> Sequence[GroupKnown]:
        """Return all groups by name."""
        return [self._groups[name] for name in sorted(self._groups)]

    def instance_type(self, name: str) -> InstanceTypeConfigured | None:
        """Return the instance type of this name, unless it was removed."""
        known = self._instance_types.get(name)
        return None if known is None or known.removed else known

    def instance_types(self) -> Sequence[InstanceTypeConfigured]:
        """Return all instance types by name, but for removed ones."""
        known = (self._instance_types[name] for name in sorted(self._instance_types))
        return [each for each in known if not each.removed]

    def target(self, name: str) -> TargetKnown | None:
        """Return the target of this name."""
        return self._targets.get(name)

    def targets(self) -> Sequence[TargetKnown]:
        """Return all targets by name."""
        return [self._targets[name] for name in sorted(self._targets)]

    async def _apply(self, stored: Stored) -> None:
        self._take(stored)
        async with self._moved:
            self._applied = stored.sequence
            self._moved.notify_all()

    def _take(self, stored: Stored) -> None:
        match stored.readable:
            case KeyConfigured() as key:
                self._take_key(key)
            case GroupConfigured() as group:
                self._groups[group.group] = GroupKnown(configured=group, sequence=stored.sequence)
                self._end_what_was_opened_by(self._memberships.take(group))
            case InstanceTypeConfigured() as instance_type:
                self._instance_types[instance_type.name] = instance_type
            case NameClaimed() as claimed:
                self.names.take(claimed, stored.sequence)
            case SecretConfigured() as secret:
                self.secrets.take(secret, stored.envelope.time)
            case ArtifactUploaded() | ArtifactAdopted() | ArtifactHidden() as artifact:
                self.artifacts.take(artifact, stored.envelope.time)
            case WebhookConfigured() | WebhookDisabled() | WebhookRemoved() as webhook:
                self.webhooks.take(webhook, sequence=stored.sequence, at=stored.envelope.time)
            case TargetAnnounced() | TargetLost() | TargetFound() as of_target:
                self._take_target(of_target)
            case _:
                pass

    def _take_target(self, message: TargetAnnounced | TargetLost | TargetFound) -> None:
        known = self._targets.get(message.target)
        match message:
            case TargetAnnounced():
                self._targets[message.target] = TargetKnown(announced=message)
            case TargetLost(since=since) if known is not None:
                self._targets[message.target] = replace(known, lost_since=since)
            case TargetFound() if known is not None:
                self._targets[message.target] = replace(known, lost_since=None)
            case _:
                pass

    def _end_what_was_opened_by(self, users: frozenset[str]) -> None:
        for digest, known in self._keys.items():
            if known.configured.user in users:
                known.outdated.set()
                self._keys[digest] = replace(known, outdated=asyncio.Event())

    def _take_key(self, key: KeyConfigured) -> None:
        known = self._keys.get(key.digest)
        if known is not None:
            if known.configured == key:
                return
            known.outdated.set()
        self._keys[key.digest] = _KeyKnown(configured=key, outdated=asyncio.Event())
