"""Makes a version from an uploaded source: unpack, read the manifest, install, write layers and images.

Everything but the blob store lies in one folder that the caller removes. Nothing here knows of commands,
labels or the log.
"""

import asyncio
import errno
import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError
from slipway_contracts.commands import Build
from slipway_contracts.envelope import now
from slipway_contracts.manifest import Manifest, ManifestEndpoint
from slipway_contracts.version import EndpointSpec, Version

from slipway_builder.endpoints.endpoint_server import command_of, fixed_port, needs_server, notices_of
from slipway_builder.endpoints.smoke_tests import smoke_test_of
from slipway_builder.images.layer_cache import Layer
from slipway_builder.images.oci import ImageSpec, write_image, write_index
from slipway_builder.installing.dependencies import DiskFullError, Installer
from slipway_builder.journal.steps import Steps
from slipway_builder.making.layer_maker import LayerMaker, human_size
from slipway_builder.source.code_files import SourceFiles
from slipway_builder.source.manifest_file import read_manifest
from slipway_builder.source.requirements import read_requirements
from slipway_builder.source.source_archive import ArchiveLimits, ArchiveRefusedError, SourceTree, unpack
from slipway_builder.stop_flag import StopFlag


@dataclass(frozen=True, kw_only=True)
class Draft:
    """All of a version but its name."""

    endpoints: tuple[EndpointSpec, ...]
    python: str
    platform: str
    source: str
    notices: tuple[str, ...]

    def named(self, command: Build, *, build: str, label: str) -> Version:
        """Return the version that this becomes under its label; a build makes one, so they share the id."""
        return Version(
            id=build,
            group=command.group,
            deployment=command.deployment,
            label=label,
            build=build,
            endpoints=self.endpoints,
            python=self.python,
            platform=self.platform,
            source=self.source,
            notices=self.notices,
            created_at=now(),
            created_by=command.by,
        )


@dataclass(frozen=True, kw_only=True)
class SourceBuild:
    """One build of the blob `source`, to run once; `folder` is its own and empty."""

    source: str
    folder: Path
    blobs: BlobStore
    installer: Installer
    limits: ArchiveLimits
    steps: Steps

    async def run(self) -> Draft:
        """Build; the same source gives the same images.

        Cancelling ends threads at their next chunk and kills child processes before this returns.

        Raises:
            Exception: what `failures.failure_of` can tell a user, or a bug.
        """
        stop = StopFlag()
        try:
            return await self._built(stop)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DiskFullError(f"no space left on the disk of {self.folder.parent}") from error
        finally:
            stop.set()

    async def _built(self, stop: StopFlag) -> Draft:
        tree = await self._unpacked(stop)
        manifest, files = await self._described(tree)
        maker = LayerMaker(
            blobs=self.blobs,
            installer=self.installer,
            folder=self.folder,
            source=tree.root,
            stop=stop,
            line=self.steps.line,
        )
        lower = await self._dependencies(manifest, files, maker)
        lower.append(await self._code(files, maker))
        own = await self._own_files(manifest, files, maker)
        return await self._images(manifest, lower, own)

    async def _unpacked(self, stop: StopFlag) -> SourceTree:
        async with self.steps.step("source") as step:
            async with self.blobs.as_file(self.source) as archive:
                tree = await self._unpacked_from(archive, stop)
            step.detail = f"{len(tree.files)} files, {human_size(sum(each.size for each in tree.files))}"
        return tree

    async def _unpacked_from(self, archive: Path, stop: StopFlag) -> SourceTree:
        root = self.folder / "source"
        root.mkdir()
        work = asyncio.create_task(
            asyncio.to_thread(unpack, archive, root, limits=self.limits, stop=stop), name="unpack"
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([work])  # the folder goes next: nothing may write into it any more
            raise
        except ArchiveRefusedError:
            await self._require_sound_source(archive)
            raise

    async def _require_sound_source(self, archive: Path) -> None:
        """Remove a source that was damaged where it lies, or nobody could upload it again."""
        began = now()
        with archive.open("rb") as file:
            digest = (await asyncio.to_thread(hashlib.file_digest, file, "sha256")).hexdigest()
        if self.source != f"sha256:{digest}":
            await self.blobs.reclaim(self.source, unclaimed_since=began)
            raise BlobMissingError(f"the stored source {self.source} was damaged, and is removed")

    async def _described(self, tree: SourceTree) -> tuple[Manifest, SourceFiles]:
        async with self.steps.step("manifest") as step:
            found = await asyncio.to_thread(read_manifest, tree.root)
            self.installer.base.check_python(found.manifest.python)
            files = SourceFiles(tree, found.manifest)
            files.check()
            for notice in self._notices(found.manifest):
                self.steps.line(f"notice: {notice}")
            step.detail = f"{found.file}: {', '.join(each.name for each in found.manifest.endpoints)}"
        return found.manifest, files

    async def _dependencies(self, manifest: Manifest, files: SourceFiles, maker: LayerMaker) -> list[Layer]:
        async with self.steps.step("dependencies") as step:
            made = {}
            if any(needs_server(endpoint) for endpoint in manifest.endpoints):
                made["server"] = await maker.server()
            requirements = await asyncio.to_thread(
                read_requirements, files.root, manifest.requirements, stop=maker.stop
            )
            if requirements is not None:
                made["packages"] = await maker.packages(requirements, files)
            step.detail = "; ".join(f"{kind}: {each}" for kind, each in made.items()) or "none required"
        return [each.layer for each in made.values()]

    async def _code(self, files: SourceFiles, maker: LayerMaker) -> Layer:
        async with self.steps.step("code") as step:
            made = await maker.code(files)
            step.detail = str(made)
        return made.layer

    async def _own_files(self, manifest: Manifest, files: SourceFiles, maker: LayerMaker) -> dict[str, Layer]:
        paths = {_place(file.path) for endpoint in manifest.endpoints for file in endpoint.files}
        if not paths:
            return {}
        async with self.steps.step("files") as step:
            made = {path: await maker.file(path, files) for path in sorted(paths)}
            step.detail = "; ".join(f"{path}: {each}" for path, each in made.items())
        return {path: each.layer for path, each in made.items()}

    async def _images(self, manifest: Manifest, lower: Sequence[Layer], own: Mapping[str, Layer]) -> Draft:
        base = self.installer.base
        async with self.steps.step("images") as step:
            endpoints = [await self._endpoint(each, lower, own) for each in manifest.endpoints]
            images = {endpoint.name: endpoint.image for endpoint in endpoints}
            index = await write_index(images, platform=base.platform, blobs=self.blobs)
            count = len(set(images.values()))
            step.detail = f"{count} image{'' if count == 1 else 's'}, index {index}"
        return Draft(
            endpoints=tuple(endpoints),
            python=base.python,
            platform=base.platform,
            source=self.source,
            notices=tuple(self._notices(manifest)),
        )

    async def _endpoint(
        self, endpoint: ManifestEndpoint, lower: Sequence[Layer], own: Mapping[str, Layer]
    ) -> EndpointSpec:
        layers = [*lower, *(own[_place(file.path)] for file in endpoint.files)]
        command, port, base = command_of(endpoint), fixed_port(endpoint), self.installer.base
        spec = ImageSpec(
            layers=layers, command=command, platform=base.platform, python=base.python, port=port
        )
        return EndpointSpec(
            name=endpoint.name,
            description=endpoint.description,
            image=await write_image(spec, self.blobs),
            command=command,
            fixed_port=port,
            health=endpoint.health,
            timeout_seconds=endpoint.timeout,
            max_body_bytes=endpoint.max_body,
            idempotent=endpoint.idempotent,
            smoke_test=smoke_test_of(endpoint),
        )

    def _notices(self, manifest: Manifest) -> list[str]:
        python = self.installer.base.python
        return [notice for each in manifest.endpoints for notice in notices_of(each, python=python)]


def _place(path: str) -> str:
    return posixpath.normpath(path)
