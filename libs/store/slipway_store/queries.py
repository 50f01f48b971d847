"""Reads of the projection, on a pool of plain asyncpg connections; writes nothing.

Every list is one keyset page: at most `limit` rows beyond the given key, in the order that its method names.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

import asyncpg
from slipway_contracts.evolve import DeploymentFacts
from slipway_contracts.lifecycle import BuildState, DeploymentState, OperationState, ReleaseState
from slipway_contracts.replica import ReplicaState

from slipway_store.connections import UNAVAILABLE, DatabaseUnavailableError, is_refusal, open_pool
from slipway_store.filters import Filter
from slipway_store.freshness import Freshness
from slipway_store.records import (
    BUILD,
    CHECKPOINT,
    EVENT,
    GROUP,
    KEY,
    OPERATION,
    RELEASE,
    REPLICA,
    STATUS,
    TARGET,
    VERSION,
    R,
    Record,
)
from slipway_store.rows import (
    BuildRow,
    CheckpointRow,
    DeploymentStatus,
    EventRow,
    GroupRow,
    KeyRow,
    OperationRow,
    ReleaseRow,
    ReplicaRow,
    TargetRow,
    VersionRow,
)
from slipway_store.schema import SCHEMA

_LISTED: Final = tuple(state for state in DeploymentState if state is not DeploymentState.DELETED)
_ENDED_REPLICAS: Final = (ReplicaState.EXITED, ReplicaState.GONE)
_OPERATIONS: Final = OPERATION.select.replace(
    '"deadline_at"',
    'coalesce(deadline_at, (select of.deadline_at from release as of where of."group" = operation."group" '
    "and of.deployment = operation.deployment and of.number = operation.release)) as deadline_at",
)


def _owned(groups: Sequence[str] | None, deployment: str | None) -> Filter:
    owned = Filter().add("deployment = {}", deployment)
    return owned.add('"group" = any({}::text[])', None if groups is None else list(groups))


class Reads:
    """Typed reads; `groups=None` means all groups, and what belongs to none.

    Every method raises DatabaseUnavailableError when Postgres does not answer, after one repetition.
    """

    def __init__(self, *, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._freshness = Freshness(position=self._position)

    async def close(self) -> None:
        """Close the pool."""
        await self._freshness.close()
        await self._pool.close()

    async def deployment(self, group: str, deployment: str) -> DeploymentStatus | None:
        """Return the status of a deployment, deleted ones too."""
        return await self._one(STATUS, Filter().add('"group" = {} and id = {}', group, deployment))

    async def facts(self, group: str, deployment: str) -> DeploymentFacts | None:
        """Return the facts from which a deployment's status follows."""
        found = await self._fetch(
            'select facts from deployment where "group" = $1 and id = $2', group, deployment
        )
        return DeploymentFacts.model_validate_json(found[0]["facts"]) if found else None

    async def deployments(
        self,
        *,
        groups: Sequence[str] | None,
        states: Collection[DeploymentState] | None = None,
        target: str | None = None,
        after: tuple[str, str] | None = None,
        limit: int,
    ) -> list[DeploymentStatus]:
        """Return deployments by (group, id), beyond `after`; DELETED ones only if `states` says so."""
        wanted = (
            Filter()
            .add("state = any({}::text[])", list(_LISTED if states is None else states))
            .add("target = {}", target)
        )
        wanted.add('"group" = any({}::text[])', None if groups is None else list(groups))
        wanted.add('("group", id) > ({}, {})', *(after or (None, None)))
        return await self._page(STATUS, wanted, '"group", id', limit)

    async def release(self, group: str, deployment: str, number: int) -> ReleaseRow | None:
        """Return a release."""
        return await self._one(RELEASE, _owned([group], deployment).add("number = {}", number))

    async def releases(
        self,
        group: str,
        deployment: str,
        *,
        states: Collection[ReleaseState] | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[ReleaseRow]:
        """Return releases, the newest first, with a number below `before`."""
        wanted = _in_states(_owned([group], deployment), states).add("number < {}", before)
        return await self._page(RELEASE, wanted, "number desc", limit)

    async def build(self, build: str) -> BuildRow | None:
        """Return a build."""
        return await self._one(BUILD, Filter().add("id = {}", build))

    async def builds(
        self,
        *,
        groups: Sequence[str] | None,
        deployment: str | None = None,
        states: Collection[BuildState] | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[BuildRow]:
        """Return builds, the newest first, accepted below `before`."""
        wanted = _in_states(_owned(groups, deployment), states).add("accepted < {}", before)
        return await self._page(BUILD, wanted, "accepted desc", limit)

    async def version(self, group: str, deployment: str, label_or_id: str) -> VersionRow | None:
        """Return a version by its label, or else by its id."""
        wanted = _owned([group], deployment).add("(label = {0} or id = {0})", label_or_id)
        found = await self._page(VERSION, wanted, "sequence", limit=2)
        return next((row for row in found if row.label == label_or_id), found[0] if found else None)

    async def versions(
        self, group: str, deployment: str, *, before: int | None = None, limit: int
    ) -> list[VersionRow]:
        """Return versions, the newest first, with a sequence below `before`."""
        wanted = _owned([group], deployment).add("sequence < {}", before)
        return await self._page(VERSION, wanted, "sequence desc", limit)

    async def operation(self, operation: str) -> OperationRow | None:
        """Return an operation; its deadline is its own, or else that of its release."""
        return await self._one(OPERATION, Filter().add("id = {}", operation), _OPERATIONS)

    async def operations(
        self,
        *,
        groups: Sequence[str] | None,
        deployment: str | None = None,
        states: Collection[OperationState] | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[OperationRow]:
        """Return operations, the newest first, accepted below `before`."""
        wanted = _in_states(_owned(groups, deployment), states).add("accepted < {}", before)
        return await self._page(OPERATION, wanted, "accepted desc", limit, _OPERATIONS)

    async def events(
        self,
        *,
        groups: Sequence[str] | None,
        deployment: str | None = None,
        types: Collection[str] | None = None,
        after: int = 0,
        limit: int,
    ) -> list[EventRow]:
        """Return messages of the log in its order, beyond sequence `after`."""
        wanted = _owned(groups, deployment).add("sequence > {}", after)
        wanted.add("type = any({}::text[])", None if types is None else list(types))
        return await self._page(EVENT, wanted, "sequence", limit)

    async def replicas(self, group: str, deployment: str, *, ended: bool = False) -> list[ReplicaRow]:
        """Return replicas by endpoint and age; with `ended` also those that exited or are gone."""
        wanted = _owned([group], deployment)
        wanted.add("state <> all({}::text[])", None if ended else list(_ENDED_REPLICAS))
        return await self._page(REPLICA, wanted, "endpoint, started_at, workload, replica")

    async def targets(self) -> list[TargetRow]:
        """Return all targets by name."""
        return await self._page(TARGET, Filter(), "name")

    async def groups(self) -> list[GroupRow]:
        """Return all groups by name."""
        return await self._page(GROUP, Filter(), "name")

    async def group(self, name: str) -> GroupRow | None:
        """Return a group."""
        return await self._one(GROUP, Filter().add("name = {}", name))

    async def keys(self) -> list[KeyRow]:
        """Return all API keys, the newest first; revoked ones too."""
        return await self._page(KEY, Filter(), "created_at desc, id")

    async def key(self, digest: str) -> KeyRow | None:
        """Return the API key of this digest, a revoked one too."""
        return await self._one(KEY, Filter().add("digest = {}", digest))

    async def checkpoint(self) -> CheckpointRow | None:
        """Return the last message that the projection holds; None before the first."""
        return await self._one(CHECKPOINT, Filter())

    async def wait_for(self, sequence: int, limit: timedelta) -> bool:
        """Wait until the projection holds this sequence; return False when `limit` passed before."""
        return await self._freshness.wait_for(sequence, limit)

    async def _position(self) -> int:
        checkpoint = await self.checkpoint()
        return checkpoint.sequence if checkpoint else 0

    async def _one(self, record: Record[R], wanted: Filter, select: str | None = None) -> R | None:
        found = await self._fetch(f"{select or record.select}{wanted} limit 1", *wanted.arguments)
        return record.read(found[0]) if found else None

    async def _page(
        self,
        record: Record[R],
        wanted: Filter,
        order: str,
        limit: int | None = None,
        select: str | None = None,
    ) -> list[R]:
        arguments = [*wanted.arguments, limit]
        query = f"{select or record.select}{wanted} order by {order} limit ${len(arguments)}::bigint"
        return [record.read(found) for found in await self._fetch(query, *arguments)]

    async def _fetch(self, query: str, *arguments: object) -> list[Any]:
        """Run a query; once more when its connection, or the plan kept on it, turned out to be stale."""
        for last in (False, True):
            try:
                return await self._pool.fetch(query, *arguments)
            except asyncpg.InvalidCachedStatementError:
                if last:
                    raise
            except asyncpg.UndefinedTableError as error:
                raise DatabaseUnavailableError("the tables are not there yet; run the migrations") from error
            except UNAVAILABLE as error:
                if is_refusal(error):
                    raise
                if last or isinstance(error, TimeoutError):
                    raise DatabaseUnavailableError(f"Postgres does not answer: {error!r}") from error
        raise AssertionError("unreachable")


def _in_states(wanted: Filter, states: Collection[str] | None) -> Filter:
    return wanted.add("state = any({}::text[])", None if states is None else list(states))


async def open_reads(url: str, *, schema: str = SCHEMA, most_connections: int = 8) -> Reads:
    """Return reads on a pool of their own, which connects when it is first used."""
    return Reads(pool=await open_pool(url, schema=schema, most=most_connections))
