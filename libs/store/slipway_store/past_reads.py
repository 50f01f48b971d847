"""Reads of the past: what the log's messages say that the tables held at an earlier position.

The log's messages are read from the table `event`, one deployment's and those of targets, through its index.
"""

from datetime import datetime
from typing import Final

from slipway_contracts.codec import MESSAGE_TYPES, AnyMessage, UnknownMessageError, parse
from slipway_contracts.installation_events import TargetAnnounced, TargetFound, TargetLost

from slipway_store.recalled import Recalled, RecalledRows
from slipway_store.statements import Statements

_AT_ONCE: Final = 200
"""Folding so many takes some 10 ms, during which a process answers nobody else."""
_OF_TARGETS: Final = [
    kind.model_fields["type"].default for kind in (TargetAnnounced, TargetLost, TargetFound)
]
_OWN: Final = '"group" = $1 and deployment = $2'
_TARGETS: Final = '"group" is null and deployment is null and type = any($3::text[])'
_POSITION: Final = f"""
    select max(sequence) from (
        select max(sequence) as sequence from event where {_OWN} and time <= $4
        union all
        select max(sequence) from event where {_TARGETS} and time <= $4
    ) as each
"""  # noqa: S608
_COLUMNS: Final = "sequence, id, type, time, correlation_id, body"
_PAGE: Final = f"""
    (select {_COLUMNS} from event where {_OWN} and sequence > $4 and sequence <= $5
        order by sequence limit $6)
    union all
    (select {_COLUMNS} from event where {_TARGETS} and sequence > $4 and sequence <= $5
        order by sequence limit $6)
    order by sequence limit $6
"""  # noqa: S608


class PastReads(Statements):
    """Reads of the past."""

    async def position_at(self, group: str, deployment: str, at: datetime) -> int:
        """Return the position of the last message about a deployment that is not younger; 0: there is none.

        Times are those of the messages, which come from several clocks: the order of the log counts, so a
        message before that position belongs to the past whatever its time.
        """
        found = await self._fetch(_POSITION, group, deployment, _OF_TARGETS, at)
        return found[0][0] or 0

    async def recalled(self, group: str, deployment: str, *, until: int) -> RecalledRows:
        """Return the rows of a deployment as they stood when the projection held `until`."""
        rows, after = RecalledRows(group, deployment), 0
        while True:
            arguments = (group, deployment, _OF_TARGETS, after, until, _AT_ONCE)
            found = await self._fetch(_PAGE, *arguments)
            for row in found:
                rows.add(
                    Recalled(
                        sequence=row["sequence"],
                        id=row["id"],
                        time=row["time"],
                        correlation_id=row["correlation_id"],
                        message=_message(row["type"], row["body"]),
                    )
                )
                after = row["sequence"]
            if len(found) < _AT_ONCE:
                return rows


def _message(kind: str, body: str) -> AnyMessage | None:
    """Return a message; None for one that is folded into nothing."""
    if kind not in MESSAGE_TYPES:
        return None
    try:
        return parse(kind, body.encode())
    except UnknownMessageError:
        return None
