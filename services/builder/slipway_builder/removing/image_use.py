"""Who uses which image, and which builds may be about to: a fold of the whole installation's log.

A version counts from its `build.succeeded` until a command asks for its removal: of two versions that go at
the same time none keeps the other's blobs. The first reading in a process' life takes every end of a build
that the log holds (some 0.3 s per 1,000 versions, half a kB of memory each), every later one what came since.
"""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from slipway_chassis.errors import PermanentError
from slipway_chassis.event_log import After, CaughtUp, EventLog
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.commands import RemoveVersions
from slipway_contracts.envelope import now
from slipway_contracts.events import BuildCanceled, BuildFailed, BuildStarted, BuildSucceeded, VersionRemoved
from slipway_contracts.installation_events import ArtifactAdopted
from slipway_contracts.version import Version

_READ: Final = (
    *subjects.ALL_BUILD_ENDS,
    subjects.ALL_BUILD_STARTS,
    subjects.ALL_REMOVAL_COMMANDS,
    subjects.ALL_REMOVED_VERSIONS,
    subjects.ADOPTED_ARTIFACTS,
)
_SWEPT_AFTER: Final = timedelta(minutes=1)


_MUST_BE_READ: Final = (".build.succeeded", ".build.started", ".artifact.adopted")


class UseUnreadableError(PermanentError):
    """The log has a message of which this release cannot tell what it uses: nothing may be removed."""


@dataclass(frozen=True)
class KnownVersion:
    """A version, as far as the blob store is concerned."""

    images: tuple[tuple[str, str], ...]
    """Endpoint and image."""
    platform: str

    @classmethod
    def of(cls, version: Version) -> "KnownVersion":
        """Forget all else."""
        images = tuple((endpoint.name, endpoint.image) for endpoint in version.endpoints)
        return cls(images=images, platform=version.platform)


@dataclass(frozen=True)
class _Running:
    began_at: datetime
    deadline_at: datetime


@dataclass
class ImageUse:
    """What the log said when it was last read."""

    log: EventLog
    read_at: datetime = field(default_factory=now)
    removed: set[str] = field(default_factory=set)
    """Versions that are removed already."""
    kept: set[str] = field(default_factory=set)
    """Blobs that are more than a part of an image: sources and adopted artifacts."""
    _versions: dict[str, KnownVersion] = field(default_factory=dict)
    _doomed: set[str] = field(default_factory=set)
    _running: dict[str, _Running] = field(default_factory=dict)
    _position: int = 0

    async def refresh(self) -> None:
        """Read what came since.

        Raises:
            UseUnreadableError: a later release of the platform wrote what this one cannot read.
        """
        began = now()
        async with aclosing(self.log.follow(*_READ, start=After(self._position))) as items:
            async for item in items:
                if isinstance(item, CaughtUp):
                    break
                self._take(item)
                self._position = item.sequence
        self.read_at = began

    async def until_a_build_ends(self, *, at_most: timedelta) -> None:
        """Wait for the next end of any build, or until the time is up."""
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(at_most.total_seconds()),
                aclosing(self.log.follow(*subjects.ALL_BUILD_ENDS, start=After(self._position))) as items,
            ):
                async for item in items:
                    if isinstance(item, Stored):
                        return

    def version(self, identifier: str) -> KnownVersion | None:
        """Return a version that is not removed."""
        return self._versions.get(identifier)

    def in_use(self) -> Iterator[KnownVersion]:
        """Return the versions that stay."""
        return (version for key, version in self._versions.items() if key not in self._doomed)

    @property
    def builds_run(self) -> bool:
        """Whether any build may be about to use what is stored."""
        return any(self._still_running())

    @property
    def claims_count_since(self) -> datetime:
        """The moment from which a claim of a blob may be that of a build whose end is not read yet."""
        return min((self.read_at, *(build.began_at for build in self._still_running())))

    def _still_running(self) -> Iterator[_Running]:
        # A build past its deadline can only fail, whoever has still to say so.
        return (each for each in self._running.values() if each.deadline_at + _SWEPT_AFTER > self.read_at)

    def _take(self, stored: Stored) -> None:
        match stored.readable:
            case BuildStarted() as began:
                running = _Running(stored.envelope.time, began.deadline_at)
                self._running.setdefault(began.build, running)
            case BuildSucceeded() as ended:
                self._running.pop(ended.build, None)
                self._versions[ended.version.id] = KnownVersion.of(ended.version)
                if ended.version.source is not None:
                    self.kept.add(ended.version.source)
            case BuildFailed() | BuildCanceled() as ended:
                self._running.pop(ended.build, None)
            case RemoveVersions() as command:
                self._doomed |= {version.id for version in command.versions}
            case VersionRemoved() as event:
                self.removed.add(event.version)
                self._versions.pop(event.version, None)
            case ArtifactAdopted() as event:
                self.kept.add(event.digest)
            case None if stored.subject.endswith(_MUST_BE_READ):
                raise UseUnreadableError(
                    f"message {stored.sequence} ({stored.subject}) cannot be read by this release, and what "
                    "it names may use anything: nothing is removed; upgrade every builder, then retry"
                )
            case _:
                return
