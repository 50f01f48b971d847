"""Reads of the messages that services gave up, and of what became of each."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from pydantic import Field

from slipway_store.filters import Filter, owned
from slipway_store.rows import Row
from slipway_store.statements import Statements

_OF_DEAD: Final = "type like 'message.%'"
"""As in the index of these messages, which is used only by a query that repeats it."""


class DeadState(StrEnum):
    """What became of a message that was given up."""

    OPEN = "open"
    RETRIED = "retried"
    DISCARDED = "discarded"


class DeadMessageRow(Row):
    """A message that was given up."""

    sequence: int = Field(description="Of the message itself.")
    said: int = Field(description="Of the message that says so.")
    group: str
    deployment: str
    service: str
    message_id: str
    message_type: str
    deliveries: int
    error: str
    at: datetime
    state: DeadState
    operation: str | None = Field(description="Of the command that took its place.")
    settled_by: str | None
    settled_at: datetime | None


_SETTLED: Final = f"""
settled as (
  select distinct on ((body ->> 'sequence')::bigint)
    (body ->> 'sequence')::bigint as dead,
    case type when 'message.retried.v1' then 'retried' else 'discarded' end as state,
    body ->> 'operation' as operation, body ->> 'by' as settled_by, time as settled_at
  from event
  where {_OF_DEAD} and type in ('message.retried.v1', 'message.discarded.v1')
  order by (body ->> 'sequence')::bigint, event.sequence
)"""  # noqa: S608 - of constants
_DEAD: Final = f"""
dead as (
  select (body ->> 'sequence')::bigint as sequence, sequence as said, "group", deployment,
    body ->> 'service' as service, body ->> 'message_id' as message_id,
    body ->> 'message_type' as message_type, (body ->> 'deliveries')::bigint as deliveries,
    body ->> 'error' as error, time as at
  from event
  where {_OF_DEAD} and type = 'message.dead.v1' and body ? 'sequence'
)"""  # noqa: S608 - same
_SELECT: Final = f"""
with {_SETTLED}, {_DEAD}, listed as (
  select dead.*, coalesce(settled.state, 'open') as state, operation, settled_by, settled_at
  from dead left join settled on settled.dead = dead.sequence
)
select * from listed"""  # noqa: S608 - same


class DeadReads(Statements):
    """Reads of messages that were given up."""

    async def dead_messages(
        self,
        *,
        groups: Sequence[str] | None,
        deployment: str | None = None,
        state: DeadState | None = None,
        before: int | None = None,
        limit: int,
    ) -> list[DeadMessageRow]:
        """Return messages that were given up, the last given up first, said before `before`."""
        wanted: Filter = owned(groups, deployment).add("state = {}", state).add("said < {}", before)
        query = f"{_SELECT}{wanted} order by said desc limit ${len(wanted.arguments) + 1}::bigint"
        found = await self._fetch(query, *wanted.arguments, limit)
        return [DeadMessageRow.model_validate(dict(row)) for row in found]
