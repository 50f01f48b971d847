"""Reads of what is configured or announced: groups and what they own, targets, instance types, keys."""

from slipway_store.filters import Filter
from slipway_store.records import ARTIFACT, CHECKPOINT, GROUP, INSTANCE_TYPE, KEY, SECRET, TARGET
from slipway_store.rows import (
    ArtifactRow,
    CheckpointRow,
    GroupRow,
    InstanceTypeRow,
    KeyRow,
    SecretRow,
    TargetRow,
)
from slipway_store.statements import Statements


class InstallationReads(Statements):
    """Reads of what is configured or announced."""

    async def targets(self) -> list[TargetRow]:
        """Return all targets by name."""
        return await self._page(TARGET, Filter(), "name")

    async def groups(self) -> list[GroupRow]:
        """Return all groups by name."""
        return await self._page(GROUP, Filter(), "name")

    async def group(self, name: str) -> GroupRow | None:
        """Return a group."""
        return await self._one(GROUP, Filter().add("name = {}", name))

    async def instance_types(self) -> list[InstanceTypeRow]:
        """Return all instance types by name, but for removed ones."""
        return await self._page(INSTANCE_TYPE, Filter().add("not removed"), "name")

    async def instance_type(self, name: str) -> InstanceTypeRow | None:
        """Return an instance type, a removed one too."""
        return await self._one(INSTANCE_TYPE, Filter().add("name = {}", name))

    async def secrets(self, group: str) -> list[SecretRow]:
        """Return the secrets of a group by name, but for removed ones."""
        return await self._page(SECRET, Filter().in_groups([group]).add("not removed"), "name")

    async def secret(self, group: str, name: str) -> SecretRow | None:
        """Return a secret, a removed one too."""
        return await self._one(SECRET, Filter().in_groups([group]).add("name = {}", name))

    async def artifacts(
        self, group: str, *, hidden: bool = False, after: str | None = None, limit: int
    ) -> list[ArtifactRow]:
        """Return the artifacts of a group by digest, beyond that of `after`; `hidden` ones, or the others."""
        wanted = Filter().in_groups([group]).add("hidden = {}", hidden).add("digest > {}", after)
        return await self._page(ARTIFACT, wanted, "digest", limit)

    async def artifact(self, group: str, digest: str) -> ArtifactRow | None:
        """Return an artifact, a hidden one too."""
        return await self._one(ARTIFACT, Filter().in_groups([group]).add("digest = {}", digest))

    async def keys(self) -> list[KeyRow]:
        """Return all API keys, the newest first; revoked ones too."""
        return await self._page(KEY, Filter(), "created_at desc, id")

    async def key(self, digest: str) -> KeyRow | None:
        """Return the API key of this digest, a revoked one too."""
        return await self._one(KEY, Filter().add("digest = {}", digest))

    async def checkpoint(self) -> CheckpointRow | None:
        """Return the last message that the projection holds; None before the first."""
        return await self._one(CHECKPOINT, Filter())
