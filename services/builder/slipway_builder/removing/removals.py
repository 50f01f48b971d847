"""Removes the images of versions that nobody needs any more, but for what other versions use of them.

No blob goes that a build relies on. A build claims each blob that it stores or finds stored, and its start is
in the log before; a claim since the start of the oldest running build therefore keeps a blob until that
build's end tells whether its version uses it. The manifest goes last, for it alone knows the rest: a removal
that dies anywhere is finished by the next delivery.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from slipway_chassis.blobs import BlobStore
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.commands import RemoveVersions, VersionImages
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.events import VersionRemoved
from slipway_contracts.names import derived_id
from slipway_contracts.subjects import of

from slipway_builder.images.image_blobs import ImageBlobs, image_blobs, layer_descriptors
from slipway_builder.images.oci import index_digest
from slipway_builder.journal.build_journal import SOURCE
from slipway_builder.removing.image_use import ImageUse

_LOOK_AGAIN: Final = timedelta(seconds=60)
_log: Final = get_logger()


@dataclass
class _Outcome:
    """What became of one version's blobs."""

    spared: bool = False
    """Whether a build that runs may use one."""
    leftovers: list[str] = field(default_factory=list)


@dataclass(kw_only=True)
class Removals:
    """Takes one command at a time; several builders may work on the same one.

    Attributes:
        clocks_agree_within: how far the clocks of builders and of the blob store may be apart.
    """

    log: EventLog
    blobs: BlobStore
    use: ImageUse
    clocks_agree_within: timedelta = timedelta(seconds=5)
    _known: dict[str, ImageBlobs] = field(default_factory=dict)

    async def remove(self, command: RemoveVersions, asked: Stored) -> None:
        """Bring each version of the command to its `version.removed`; what is removed already is left.

        Waits for builds that may use one of the blobs, at most until their deadlines.

        Raises:
            UseUnreadableError: it cannot be told what may go.
        """
        while True:
            await self.use.refresh()
            in_use = await self._in_use()
            waiting = False
            for version in command.versions:
                if version.id in self.use.removed:
                    continue
                outcome = await self._reclaim(version, in_use)
                waiting |= outcome.spared
                if not outcome.spared:
                    await self._tell(command, asked, version, outcome.leftovers)
            if not waiting:
                return
            at_most = _LOOK_AGAIN if self.use.builds_run else self.clocks_agree_within
            await self.use.until_a_build_ends(at_most=at_most)

    async def _in_use(self) -> frozenset[str]:
        """Return every blob that a version that stays needs; each manifest is read once per process."""
        images = {image for version in self.use.in_use() for _, image in version.images}
        for image in images - self._known.keys():
            found = await image_blobs(self.blobs, image)
            if found is not None:
                self._known[image] = found
        for image in self._known.keys() - images:
            del self._known[image]
        used = {digest for image in self._known.values() for digest in image.all}
        return frozenset(used | images | self.use.kept)

    async def _reclaim(self, version: VersionImages, in_use: frozenset[str]) -> _Outcome:
        """Remove what is not used otherwise; what knows of the rest goes last, when no layer was spared."""
        outcome = _Outcome()
        manifests = sorted({*version.images} - in_use)
        images = [found for each in manifests if (found := await image_blobs(self.blobs, each)) is not None]
        for image in images:
            descriptors = await layer_descriptors(self.blobs, image)
            for layer in _unused(image.layers, in_use):
                await self._try(outcome, "layer", layer)
                if layer in descriptors:
                    await self._try(outcome, "descriptor of a layer", descriptors[layer])
        rest = [("configuration", digest) for digest in _unused((each.config for each in images), in_use)]
        rest += [("index", digest) for digest in _unused(await self._index(version), in_use)]
        rest += [("manifest", digest) for digest in manifests]
        for kind, digest in rest:
            if not outcome.spared:
                await self._try(outcome, kind, digest)
        return outcome

    async def _try(self, outcome: _Outcome, kind: str, digest: str) -> None:
        try:
            if not await self.blobs.reclaim(digest, unclaimed_since=self._since):
                outcome.spared = True
        except OSError as error:
            outcome.leftovers.append(f"{kind} {digest}: {error.strerror or error}")

    async def _index(self, version: VersionImages) -> list[str]:
        known = self.use.version(version.id)
        if known is None or known in self.use.in_use():
            return []
        digest = await index_digest(dict(known.images), platform=known.platform, blobs=self.blobs)
        return [] if digest is None else [digest]

    @property
    def _since(self) -> datetime:
        return self.use.claims_count_since - self.clocks_agree_within

    async def _tell(
        self, command: RemoveVersions, asked: Stored, version: VersionImages, leftovers: list[str]
    ) -> None:
        event = VersionRemoved(
            group=command.group,
            deployment=command.deployment,
            version=version.id,
            label=version.label,
            leftovers=tuple(leftovers),
        )
        envelope = Envelope(
            id=derived_id(version.id, event.type),
            type=event.type,
            source=SOURCE,
            subject=f"{command.group}/{command.deployment}",
            time=now(),
            causation_id=asked.envelope.id,
            correlation_id=asked.envelope.correlation_id or asked.envelope.id,
        )
        await self.log.publish(Outgoing(subject=of(event), message=event, envelope=envelope))
        _log.info("a version is removed", version=version.id, cause=command.cause, leftovers=len(leftovers))


def _unused(digests: Iterable[str], in_use: frozenset[str]) -> list[str]:
    return [digest for digest in dict.fromkeys(digests) if digest not in in_use]
