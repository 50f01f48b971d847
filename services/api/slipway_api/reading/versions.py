"""Versions in depth: their layers, hidden and shown again. What they are is in the projection."""

import json
from typing import Any

from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import BlobMissingError, ConflictError
from slipway_chassis.event_log import EventLog, Expect, Receipt
from slipway_contracts import subjects
from slipway_contracts.events import VersionHidden
from slipway_store.rows import VersionRow

from slipway_api.answers.lifecycle_views import Layer, VersionDetail
from slipway_api.answers.views import VersionSummary
from slipway_api.reading.archive import Archive
from slipway_api.refusing import refusals
from slipway_api.refusing.lifecycle_refusals import how_to_restore
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import load_lane
from slipway_api.submitting.outgoing import outgoing_for


class Versions:
    """Shows and hides versions.

    Args:
        log: where it is said.
        archive: finds them.
        blobs: holds the images, on installations that have no registry.
    """

    def __init__(self, *, log: EventLog, archive: Archive, blobs: BlobStore) -> None:
        self._log = log
        self._archive = archive
        self._blobs = blobs

    async def detail(self, group: str, deployment: str, ref: str) -> VersionDetail:
        """Return a version with the layers of its images.

        Raises:
            VersionNotFoundError: there is none.
        """
        row = await self._archive.version_row(group, deployment, ref)
        layers = {spec.name: await self._layers(spec.image) for spec in row.body.endpoints}
        return VersionDetail(
            **dict(version(row)), layers={name: each for name, each in layers.items() if each}
        )

    async def hide(self, ask: Ask, group: str, deployment: str, ref: str, *, hidden: bool) -> VersionSummary:
        """Keep a version, but neither list nor deploy it; or do both again. Nothing happens to what runs.

        Raises:
            VersionNotFoundError: there is none.
            PreconditionFailedError: the deployment has had another command.
        """
        row = await self._archive.version_row(group, deployment, ref)
        if ask.if_match is not None:
            refusals.require_etag(ask, await load_lane(self._log, group, deployment))
        if row.hidden != hidden and not ask.dry_run:
            message = VersionHidden(
                group=group, deployment=deployment, version=row.id, hidden=hidden, by=ask.caller.user
            )
            receipt = await self._publish(ask, message)
            await self._archive.reach(receipt.sequence)
        return version(row.model_copy(update={"hidden": hidden}))

    async def _publish(self, ask: Ask, message: VersionHidden) -> Receipt:
        """Publish, where an ETag is given only while it is that of the deployment."""
        lane = subjects.deployer_commands(message.group, message.deployment)
        expect = None if ask.if_match is None else Expect(sequence=ask.if_match, subject=lane)
        try:
            return await self._log.publish(outgoing_for(ask, message, expect=expect))
        except ConflictError:
            refusals.require_etag(ask, await load_lane(self._log, message.group, message.deployment))
            raise

    async def _layers(self, image: str) -> list[Layer]:
        try:
            content = b"".join([chunk async for chunk in self._blobs.open(image)])
            manifest: Any = json.loads(content)
            return [
                Layer(digest=each["digest"], size_bytes=each["size"], media_type=each["mediaType"])
                for each in manifest["layers"]
            ]
        except (BlobMissingError, ValueError, KeyError, TypeError):
            return []


def version(row: VersionRow) -> VersionSummary:
    """Return a version as the client sees it."""
    known = row.model_dump(include={"hidden", "removed_at", "leftovers", "used_at", "used_by"})
    body = row.body.model_dump()
    return VersionSummary.model_validate(
        {**body, **known, "restorable": row.removed_at is None, "how_to_restore": how_to_restore(row)}
    )
