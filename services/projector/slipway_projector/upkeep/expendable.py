"""Which messages of the log nobody needs there any more, once a snapshot has them: judged by the tables.

What this module does not name stays: a new kind of message is kept until somebody says that it may go.
"""

from collections.abc import AsyncGenerator
from typing import Final

import asyncpg
from slipway_contracts.codec import MESSAGE_TYPES

from slipway_projector.database import LONGEST_SECONDS

_KINDS: Final = (
    "slipway.*.*.desired",
    "slipway.*.*.replica.*.*",
    "slipway.*.*.cmd.deployer.*",
    "slipway.*.*.evt.release.*",
    "slipway.*.*.evt.traffic.*",
    "slipway.*.*.evt.deployment.*",
    "slipway.*.*.evt.operation.*",
    "slipway.*.*.evt.build.step-started",
    "slipway.*.*.evt.build.step-finished",
    "slipway.*._.evt.request.refused",
)
"""Nobody reads these from the beginning on, but for what `expendable` keeps of them.

The rest is read as a whole: what is configured, which version uses which image, who claimed a name.
"""
_SUBJECTS: Final = "^(" + "|".join(kind.replace(".", r"\.").replace("*", r"[^.]+") for kind in _KINDS) + ")$"
_OWED: Final = """
    select "group", deployment, min(since) as since from (
        select "group", deployment, accepted as since from operation where state in ('PENDING', 'RUNNING')
        union all
        select "group", deployment, accepted from build where state in ('QUEUED', 'RUNNING')
    ) as unfinished group by "group", deployment
"""
_DEAD: Final = """
    select type, "group", deployment, (body ->> 'sequence')::bigint as dead from event
    where type like 'message.%' and type in ('message.dead.v1', 'message.retried.v1', 'message.discarded.v1')
        and jsonb_typeof(body -> 'sequence') = 'number'
"""
_OVERTAKEN: Final = """
    select sequence, "group", deployment from (
        select sequence, id, type, form, "group", deployment,
            max(sequence) over same as last,
            max(sequence) filter (where state = 'ready') over same as ready,
            first_value(state) over (same order by sequence desc) as state
        from (
            select sequence, id, type, subject, "group", deployment, jsonb_typeof(body) as form,
                case when type = 'replica.v1' then body ->> 'state' end as state
            from event where subject ~ $2
        ) as told
        window same as (partition by subject)
    ) as each
    where sequence < $1 and sequence < last and type = any($3::text[]) and id <> 'sequence-' || sequence
        and form = 'object'
        and (state in ('exited', 'gone') or sequence < ready) is not false
    order by sequence
"""
"""One pass over a sorted table, without a join: nobody knows beforehand how many messages a subject has."""
_AT_ONCE: Final = 10_000


async def expendable(connection: asyncpg.Connection, *, before: int) -> AsyncGenerator[list[int]]:
    """Return the sequences that may go, of those the tables hold, page by page, in order.

    These stay: the last message of every subject, so that every expected sequence holds as it did; what came
    since the oldest operation, build or dead message of a deployment that has no end; since when a replica
    that is there was ready; what was given up; and what this release cannot read. Use `contextlib.aclosing`.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        owed = {(group, name): since for group, name, since in await connection.fetch(_OWED)}
        dead = await connection.fetch(_DEAD)
        settled = {row["dead"] for row in dead if row["type"] != "message.dead.v1"}
        given_up = {row["dead"] for row in dead if row["type"] == "message.dead.v1"}
        unsettled = given_up - settled
        for row in dead:
            owner = row["group"], row["deployment"]
            if row["dead"] in unsettled:
                owed[owner] = min(owed.get(owner, before), row["dead"])
        wanted = before, _SUBJECTS, list(MESSAGE_TYPES)
        cursor = await connection.cursor(_OVERTAKEN, *wanted, timeout=LONGEST_SECONDS)
        while found := await cursor.fetch(_AT_ONCE, timeout=LONGEST_SECONDS):
            yield [
                sequence
                for sequence, group, name in found
                if sequence not in given_up and sequence < owed.get((group, name), before)
            ]
