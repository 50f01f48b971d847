"""Versions with hand-made layers on a real log and a real blob store, for the tests of their removal."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from eventually import eventually
from slipway_builder.images.image_blobs import image_blobs
from slipway_builder.images.layer_cache import Layer, LayerCache, layer_key, put_bytes
from slipway_builder.images.oci import ImageSpec, write_image, write_index
from slipway_builder.removing.image_use import ImageUse
from slipway_builder.removing.removals import Removals
from slipway_chassis.blobs import BlobStore, FilesystemBlobStore
from slipway_chassis.event_log import EventLog, Outgoing, Stored
from slipway_contracts.commands import RemoveVersions, VersionImages
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import (
    BuildFailed,
    BuildStarted,
    BuildSucceeded,
    Event,
    VersionRemoved,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.subjects import of
from slipway_contracts.version import CommandSpec, EndpointSpec, Version

PLATFORM = "linux/amd64"
OWNER = {"group": "default", "deployment": "digits"}
CLOCKS = timedelta(milliseconds=50)
TAR = "application/vnd.oci.image.layer.v1.tar"


class RemovalWorld:
    """What a builder that removes versions meets."""

    def __init__(self, *, log: EventLog, root: Path) -> None:
        self.log = log
        self.root = root
        self.blobs = FilesystemBlobStore(root)
        self.cache = LayerCache(blobs=self.blobs)

    def removals(self, *, log: EventLog | None = None, blobs: BlobStore | None = None) -> Removals:
        """A builder that has just started."""
        log = log or self.log
        return Removals(log=log, blobs=blobs or self.blobs, use=ImageUse(log=log), clocks_agree_within=CLOCKS)

    async def layer(self, name: str) -> Layer:
        """Make a layer, or reuse the one that was made before, as a build does."""
        key = layer_key("code", name)
        found = await self.cache.find(key)
        if found is None:
            digest = await put_bytes(self.blobs, f"layer {name}".encode())
            found = Layer(digest=digest, diff_id=digest, size=len(name) + 6, media_type=TAR)
            await self.cache.keep(key, found)
        return found

    async def settle(self) -> None:
        """Wait until every blob is older than the clocks may be apart."""
        paths = (path for path in (self.root / "sha256").rglob("*") if path.is_file())
        newest = max(path.stat().st_ctime for path in paths)
        await eventually(lambda: now().timestamp() > newest + 2 * CLOCKS.total_seconds())

    async def started(self) -> str:
        """Let a build begin; return its id."""
        build, deadline = new_id(), now() + timedelta(minutes=5)
        source = await put_bytes(self.blobs, b"source")
        await self.publish(BuildStarted(**OWNER, build=build, source=source, by="ada", deadline_at=deadline))
        return build

    async def failed(self, build: str) -> None:
        failure = FailureRecord(
            stage=Stage.BUILD, reason=Reason.BUILD_FAILED, message="no", hint="no", at=now()
        )
        await self.publish(BuildFailed(**OWNER, build=build, failure=failure))

    async def version(self, *endpoints: Sequence[str], build: str | None = None) -> Version:
        """Make a version whose endpoints have layers of these names."""
        build = build or await self.started()
        specs = tuple([await self._endpoint(f"e{n}", names) for n, names in enumerate(endpoints)])
        await write_index({spec.name: spec.image for spec in specs}, platform=PLATFORM, blobs=self.blobs)
        version = Version(
            **OWNER,
            id=build,
            label=f"v-{build[-6:]}",
            build=build,
            endpoints=specs,
            python="3.11",
            platform=PLATFORM,
            source=await put_bytes(self.blobs, b"source"),
            created_at=now(),
            created_by="ada",
        )
        await self.publish(BuildSucceeded(**OWNER, build=build, version=version, seconds=1))
        return version

    async def ask(self, *versions: Version) -> tuple[RemoveVersions, Stored]:
        """Command the removal, as the deployer does."""
        images = tuple(
            VersionImages(id=each.id, label=each.label, images=tuple(e.image for e in each.endpoints))
            for each in versions
        )
        command = RemoveVersions(**OWNER, by="ada", request_digest="x", versions=images, cause="retention")
        return command, await self.publish(command)

    async def publish(self, message: Event | RemoveVersions, **changes: Any) -> Stored:
        envelope = Envelope(
            id=new_id(), type=message.type, source="/slipway/test", subject="default/digits", time=now()
        )
        receipt = await self.log.publish(
            Outgoing(subject=of(message), message=message, envelope=envelope.model_copy(update=changes))
        )
        stored = await self.log.get(receipt.sequence)
        assert stored is not None
        return stored

    async def removed(self) -> list[VersionRemoved]:
        found = [each async for each in self.log.read("slipway.*.*.evt.version.removed", after=0)]
        return [each.message for each in found if isinstance(each.message, VersionRemoved)]

    async def is_whole(self, version: Version) -> bool:
        """Whether every blob that the version needs is stored."""
        for endpoint in version.endpoints:
            image = await image_blobs(self.blobs, endpoint.image)
            if image is None or not all([await self.blobs.exists(digest) for digest in image.all]):
                return False
        return True

    def stored(self) -> set[str]:
        """The content of every blob."""
        return {path.read_text() for path in (self.root / "sha256").rglob("*") if path.is_file()}

    async def _endpoint(self, name: str, layers: Sequence[str]) -> EndpointSpec:
        command = CommandSpec(argv=("serve",))
        made = [await self.layer(each) for each in layers]
        spec = ImageSpec(layers=made, command=command, platform=PLATFORM, python="3.11")
        return EndpointSpec(name=name, image=await write_image(spec, self.blobs), command=command)
