"""Artifacts of groups: listed, found in storage, adopted, hidden.

An upload is listed once something was built of it; what was adopted is listed at once.
"""

import asyncio
from datetime import UTC, datetime

from slipway_chassis import errors
from slipway_chassis.blobs import BlobStore
from slipway_contracts.installation_events import ArtifactAdopted, ArtifactHidden
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads
from slipway_store.reference_reads import SourceUsed

from slipway_api.answers.installation_views import FoundFile, StoredArtifact
from slipway_api.answers.views import Page
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_api.installation.holdings import Holdings
from slipway_api.installation.registers import ArtifactKnown
from slipway_api.reading.paging import Cut, decode, page
from slipway_api.refusing import artifact_problems


class Artifacts:
    """Lists, adopts and hides.

    Args:
        blobs: where the bytes are, and the files that were placed by hand.
        configuring: puts what is decided into the log.
        directory: knows what was adopted and hidden.
        holdings: knows what a group has.
        reads: the projection, which knows what was built of what.
    """

    def __init__(
        self,
        *,
        blobs: BlobStore,
        configuring: Configuring,
        directory: Directory,
        holdings: Holdings,
        reads: Reads,
    ) -> None:
        self._blobs = blobs
        self._configuring = configuring
        self._directory = directory
        self._holdings = holdings
        self._reads = reads

    async def all(self, group: str, cut: Cut, *, hidden: bool) -> Page[StoredArtifact]:
        """Return the hidden artifacts of a group, or the others, by digest.

        Raises:
            DatabaseUnavailableError: Postgres, which knows what was built, does not answer.
        """
        after = decode(cut.token, str)

        async def fetch(limit: int) -> list[StoredArtifact]:
            return await self._fetch(group, after[0] if after else None, limit, hidden=hidden)

        return await page(fetch, cut, key=lambda artifact: (artifact.digest,), view=lambda artifact: artifact)

    async def found(self, group: str) -> list[FoundFile]:
        """Return the files that were placed by hand and are not another group's, by path."""
        return [
            FoundFile(path=file.path, size_bytes=file.size_bytes, modified_at=file.modified_at)
            for file in await self._blobs.found()
            if self._may_have(group, file.path)
        ]

    async def require_found(self, group: str, path: str) -> FoundFile:
        """Return a file that could be adopted.

        Raises:
            FoundFileMissingError: there is none, or it belongs to another group.
        """
        found = next((file for file in await self.found(group) if file.path == path), None)
        if found is None:
            raise _missing(group, path, "nobody placed it")
        return found

    async def adopt(self, group: str, path: str, *, by: str) -> StoredArtifact:
        """Let a file be an artifact of the group; once the log says so, it goes from where it was placed.

        Raises:
            FoundFileMissingError: there is no such file, or it belongs to another group.
            FileUnsettledError: it is still being written.
            StorageFullError: no space is left.
        """
        if not self._may_have(group, path):
            raise _missing(group, path, "a folder that is named like another group belongs to that")
        try:
            digest = await self._blobs.adopt(path)
        except errors.IncomingUnsettledError as error:
            raise artifact_problems.FileUnsettledError(
                f"{error}.", hint="Repeat the request when nobody writes the file any more.", path=path
            ) from None
        except (errors.IncomingMissingError, errors.IncomingRefusedError) as error:
            if earlier := self._adopted_from(group, path):
                return await self._shown(earlier.digest, group, None)
            raise _missing(group, path, str(error)) from None
        await self._announce(group, path, digest, by)
        await self._blobs.dismiss(path, digest)
        return await self._shown(digest, group, None)

    async def hide(self, group: str, digest: str, *, hidden: bool, by: str) -> StoredArtifact:
        """Keep an artifact but list and use it no more, or take that back; repeating it changes nothing.

        Raises:
            ArtifactNotFoundError: the group does not have it, or the log does not say that it has it: uploads
                were not told once, and who hid such a one has to send it again.
        """
        if not await self._holdings.has(group, digest) or not await self._blobs.exists(digest):
            raise self._not_had(group, digest)
        if self._directory.artifacts.is_hidden(group, digest) != hidden:
            await self._configuring.publish(ArtifactHidden(group=group, digest=digest, hidden=hidden, by=by))
        return await self._shown(digest, group, await self._source(group, digest))

    def _not_had(self, group: str, digest: str) -> artifact_problems.ArtifactNotFoundError:
        if self._directory.artifacts.is_hidden(group, digest):
            return artifact_problems.ArtifactNotFoundError(
                f"Group {group} hides {digest}, but does not have it, or its bytes are gone: it has to be "
                "uploaded again before it is shown, as by `slipway deploy` of the same source.",
                hint=f"Upload it with PUT /v1/groups/{group}/artifacts/{digest}, then repeat the request.",
                digest=digest,
            )
        return artifact_problems.ArtifactNotFoundError(
            f"Group {group} has no artifact {digest}.",
            hint=f"List them with GET /v1/groups/{group}/artifacts.",
            digest=digest,
        )

    async def _announce(self, group: str, path: str, digest: str, by: str) -> None:
        known = self._directory.artifacts.find(group, digest)
        if known is not None and known.adopted is not None and not known.hidden:
            return
        size = await self._blobs.size(digest)
        await self._configuring.publish(
            ArtifactAdopted(group=group, digest=digest, name=path, size_bytes=size, by=by)
        )

    async def _fetch(
        self, group: str, after: str | None, limit: int, *, hidden: bool
    ) -> list[StoredArtifact]:
        register = self._directory.artifacts
        used = await self._reads.sources(
            group, marked=register.hidden(group), only_marked=hidden, after=after, limit=limit
        )
        sources = {source.digest: source for source in used}
        adopted = [each.digest for each in register.adopted(group) if each.hidden == hidden]
        digests = sources.keys() | {digest for digest in adopted if after is None or digest > after}
        shown = (self._shown(digest, group, sources.get(digest)) for digest in sorted(digests)[:limit])
        return list(await asyncio.gather(*shown))

    async def _source(self, group: str, digest: str) -> SourceUsed | None:
        try:
            found = await self._reads.sources(group, marked=[digest], only_marked=True, after=None, limit=1)
        except DatabaseUnavailableError:
            return None
        return next(iter(found), None)

    async def _shown(self, digest: str, group: str, source: SourceUsed | None) -> StoredArtifact:
        known = self._directory.artifacts.find(group, digest)
        adopted = known.adopted if known else None
        at, by = (known.adopted_at, adopted.by) if known and adopted else (None, None)
        return StoredArtifact(
            digest=digest,
            size_bytes=await self._size(digest),
            name=adopted.name if adopted else None,
            origin="adopted" if adopted else "source" if source else "uploaded",
            created_at=at or (source.created_at if source else None),
            created_by=by or (source.created_by if source else None),
            hidden=known.hidden if known else False,
            deployments=list(source.deployments) if source else [],
        )

    async def _size(self, digest: str) -> int | None:
        try:
            return await self._blobs.size(digest)
        except errors.BlobMissingError:
            return None

    def _adopted_from(self, group: str, path: str) -> ArtifactKnown | None:
        adopted = self._directory.artifacts.adopted(group)
        found = [each for each in adopted if each.adopted is not None and each.adopted.name == path]
        return max(found, key=lambda each: each.adopted_at or datetime.min.replace(tzinfo=UTC), default=None)

    def _may_have(self, group: str, path: str) -> bool:
        folder, separator, _ = path.partition("/")
        return not separator or folder == group or not self._directory.has_group(folder)


def _missing(group: str, path: str, why: str) -> artifact_problems.FoundFileMissingError:
    return artifact_problems.FoundFileMissingError(
        f"There is no file {path!r} to adopt: {why}.",
        hint=f"List what there is with GET /v1/groups/{group}/artifacts/found.",
        group=group,
        path=path,
    )
