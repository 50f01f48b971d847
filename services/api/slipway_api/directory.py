"""Keys, groups and targets of the installation, followed from the log into memory.

The log is their only home: a restart reads them again. Decides nothing about what a key may do.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage, UnknownMessageError
from slipway_contracts.envelope import MalformedEnvelopeError
from slipway_contracts.events import (
    GroupConfigured,
    KeyConfigured,
    TargetAnnounced,
    TargetFound,
    TargetLost,
)

from slipway_api.access import Principal, digest_of

_log: Final = get_logger()


@dataclass(frozen=True, kw_only=True)
class TargetKnown:
    """A target as its monitor announced it, and whether a monitor still holds it."""

    announced: TargetAnnounced
    lost: bool = False


@dataclass(frozen=True, kw_only=True)
class _KeyKnown:
    """A key as it is configured, and what tells those who use it that it no longer is."""

    configured: KeyConfigured
    outdated: asyncio.Event


class Directory:
    """Answers from memory once `caught_up` is set; before, it knows less than there is."""

    def __init__(self, *, log: EventLog) -> None:
        self.caught_up = asyncio.Event()
        self._log = log
        self._keys: dict[str, _KeyKnown] = {}
        self._groups: dict[str, GroupConfigured] = {}
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
        """Wait until the message of this sequence is known here."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._applied >= sequence)

    def principal(self, secret: str) -> Principal | None:
        """Return who holds this key; None for one that is unknown or revoked."""
        known = self._keys.get(digest_of(secret))
        if known is None or known.configured.revoked:
            return None
        key = known.configured
        return Principal(key=key.key, user=key.user, grants=key.grants, outdated=known.outdated)

    def valid_keys(self) -> Sequence[KeyConfigured]:
        """Return all keys that are not revoked."""
        keys = (known.configured for known in self._keys.values())
        return sorted((key for key in keys if not key.revoked), key=lambda key: key.user)

    def has_group(self, name: str) -> bool:
        """Say whether the group was configured."""
        return name in self._groups

    def groups(self) -> Sequence[GroupConfigured]:
        """Return all groups by name."""
        return [self._groups[name] for name in sorted(self._groups)]

    def target(self, name: str) -> TargetKnown | None:
        """Return the target of this name."""
        return self._targets.get(name)

    def targets(self) -> Sequence[TargetKnown]:
        """Return all targets by name."""
        return [self._targets[name] for name in sorted(self._targets)]

    async def _apply(self, stored: Stored) -> None:
        try:
            self._take(stored.message)
        except (UnknownMessageError, MalformedEnvelopeError) as error:
            _log.warning("ignores a message", sequence=stored.sequence, because=str(error))
        async with self._moved:
            self._applied = stored.sequence
            self._moved.notify_all()

    def _take(self, message: AnyMessage) -> None:
        match message:
            case KeyConfigured() as key:
                self._take_key(key)
            case GroupConfigured() as group:
                self._groups[group.group] = group
            case TargetAnnounced() as announced:
                self._targets[announced.target] = TargetKnown(announced=announced)
            case TargetLost(target=name) if name in self._targets:
                self._targets[name] = replace(self._targets[name], lost=True)
            case TargetFound(target=name) if name in self._targets:
                self._targets[name] = replace(self._targets[name], lost=False)
            case _:
                pass

    def _take_key(self, key: KeyConfigured) -> None:
        known = self._keys.get(key.digest)
        if known is not None:
            if known.configured == key:
                return
            known.outdated.set()
        self._keys[key.digest] = _KeyKnown(configured=key, outdated=asyncio.Event())
