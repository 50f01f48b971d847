"""Reads of deployments: status, lists, what they hold, and what runs for them.

What a deployment holds of its group's quota and its target's room lies in the columns `charge_deployments`,
`charge_replicas`, `charge_cpu`, `charge_memory_bytes` and `charge_gpu` of `slipway.deployment`, as of the
position `slipway.checkpoint.sequence`. An index of (group, id) and one of (target) hold these columns for the
rows `where charge_deployments > 0`: a sum with that condition reads no table. A statement of another schema
may join both.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from slipway_contracts.evolve import DeploymentFacts
from slipway_contracts.lifecycle import DeploymentState

from slipway_store.filters import Filter, owned
from slipway_store.listing import SEARCHED, After, Listing, Sort
from slipway_store.records import DETAIL, REPLICA, STATUS, UNKNOWN_WORKLOAD
from slipway_store.rows import DeploymentDetail, DeploymentStatus, ReplicaRow, UnknownWorkloadRow
from slipway_store.statements import Statements

_THERE: Final = "state not in ('exited', 'gone')"
"""As in the index."""
_ENDS_LOOKED_AT: Final = 1_000
# Engines whose replicas the deployer counts name them `<slot>-<attempt>`; elsewhere each stands for itself.
_SLOT: Final = "coalesce(substring(replica from '^([0-9]+)-[0-9]+$'), replica)"
_SHOWN: Final = f"""
    with newest as materialized (
        select * from replica where "group" = $1 and deployment = $2 order by sequence desc limit $3
    ), shown as (
        select 0 as rank, * from replica where "group" = $1 and deployment = $2 and {_THERE}
        union all
        (select distinct on (workload, {_SLOT}) 1 as rank, * from newest where not ({_THERE})
            order by workload, {_SLOT}, sequence desc)
    )
    {REPLICA.select.replace(' from "replica"', " from shown")} order by rank, sequence desc limit $4
"""  # noqa: S608


class Sharing(NamedTuple):
    """A release that needs a workload, and when it was made."""

    number: int
    since: datetime


class DeploymentReads(Statements):
    """Reads of deployments."""

    async def deployment(self, group: str, deployment: str) -> DeploymentDetail | None:
        """Return the status of a deployment, deleted and purged ones too."""
        return await self._one(DETAIL, Filter().add('"group" = {} and id = {}', group, deployment))

    async def facts(self, group: str, deployment: str) -> DeploymentFacts | None:
        """Return the facts from which a deployment's status follows."""
        found = await self._fetch(
            'select facts from deployment where "group" = $1 and id = $2', group, deployment
        )
        return DeploymentFacts.model_validate_json(found[0]["facts"]) if found else None

    async def deployments(  # noqa: PLR0913 - one per filter
        self,
        *,
        groups: Sequence[str] | None,
        states: Collection[DeploymentState] | None = None,
        target: str | None = None,
        version: str | None = None,
        metadata: Mapping[str, str] | None = None,
        search: str | None = None,
        created_by: str | None = None,
        sort: Sort = Sort.ID,
        descending: bool = False,
        after: After | None = None,
        limit: int,
    ) -> list[DeploymentStatus]:
        """Return what `Listing` says of these arguments, beyond `after`: `listing.after` of the last row."""
        listing = Listing(
            groups=groups,
            states=states,
            target=target,
            version=version,
            metadata=metadata or {},
            search=search,
            created_by=created_by,
            sort=sort,
            descending=descending,
        )
        query, arguments = listing.page(after, limit, await self._frequencies(listing.words))
        return [STATUS.read(found) for found in await self._fetch(query, *arguments)]

    async def _frequencies(self, words: Sequence[str]) -> dict[str, float]:
        """Return the part of all deployments that each word is found in, as Postgres' statistics have it."""
        if not words:
            return {}
        counted = (
            f"select 1 from deployment where {SEARCHED} @@ ${place}::tsquery"  # noqa: S608
            for place, _ in enumerate(words, start=1)
        )
        parts = " union all ".join(("select 1 from deployment", *counted))
        (found,) = await self._fetch(f"explain (format json) {parts}", *words)
        everything, *numbers = (plan["Plan Rows"] for plan in json.loads(found[0])[0]["Plan"]["Plans"])
        return {word: number / max(1, everything) for word, number in zip(words, numbers, strict=True)}

    async def endpoint_of(self, group: str, deployment: str, workload: str) -> str | None:
        """Return the endpoint that the replicas of a workload serve; None where none was ever seen."""
        wanted = owned([group], deployment).add("workload = {}", workload)
        found = await self._fetch(f"select endpoint from replica{wanted} limit 1", *wanted.arguments)  # noqa: S608
        return found[0]["endpoint"] if found else None

    async def releases_sharing(self, group: str, deployment: str, workload: str) -> list[Sharing]:
        """Return the releases that need a workload, or did, the oldest first."""
        wanted = owned([group], deployment)
        wanted.add("exists (select from jsonb_each_text(workloads) where value = {})", workload)
        found = await self._fetch(
            f"select number, created_at from release{wanted} order by number",  # noqa: S608
            *wanted.arguments,
        )
        return [Sharing(row["number"], row["created_at"]) for row in found]

    async def replicas_shown(self, group: str, deployment: str, *, most: int = 100) -> list[ReplicaRow]:
        """Return the replicas that are there, then the last that ended of each slot, the newest first.

        Of those that ended it looks at the thousand that changed last, however many there ever were.
        """
        found = await self._fetch(_SHOWN, group, deployment, _ENDS_LOOKED_AT, most)
        return [REPLICA.read(row) for row in found]

    async def unknown_workloads(self, target: str | None = None) -> list[UnknownWorkloadRow]:
        """Return the workloads that targets run although nobody ever wanted them."""
        wanted = Filter().add("gone_at is null").add("target = {}", target)
        return await self._page(UNKNOWN_WORKLOAD, wanted, 'target, "group", deployment, workload')
