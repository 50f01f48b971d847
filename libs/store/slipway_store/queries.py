"""Reads of the projection, on a pool of plain asyncpg connections; writes nothing.

Every list is one keyset page: at most `limit` rows beyond the given key, in the order that its method names.
"""

from datetime import timedelta

import asyncpg

from slipway_store.audit_reads import AuditReads
from slipway_store.connections import open_pool
from slipway_store.dead_reads import DeadReads
from slipway_store.deployment_reads import DeploymentReads
from slipway_store.freshness import Freshness
from slipway_store.history_reads import HistoryReads
from slipway_store.installation_reads import InstallationReads
from slipway_store.past_reads import PastReads
from slipway_store.reference_reads import ReferenceReads
from slipway_store.schema import SCHEMA


class Reads(
    DeploymentReads, HistoryReads, InstallationReads, ReferenceReads, PastReads, AuditReads, DeadReads
):
    """Typed reads; `groups=None` means all groups, and what belongs to none.

    Every method raises DatabaseUnavailableError when Postgres does not answer, after one repetition.
    """

    def __init__(self, *, pool: asyncpg.Pool) -> None:
        super().__init__(pool=pool)
        self._freshness = Freshness(position=self._position)

    async def close(self) -> None:
        """Close the pool."""
        await self._freshness.close()
        await self._pool.close()

    async def wait_for(self, sequence: int, limit: timedelta) -> bool:
        """Wait until the projection holds this sequence; return False when `limit` passed before."""
        return await self._freshness.wait_for(sequence, limit)

    async def _position(self) -> int:
        checkpoint = await self.checkpoint()
        return checkpoint.sequence if checkpoint else 0


async def open_reads(url: str, *, schema: str = SCHEMA, most_connections: int = 8) -> Reads:
    """Return reads on a pool of their own, which connects when it is first used."""
    return Reads(pool=await open_pool(url, schema=schema, most=most_connections, plan_each=True))
