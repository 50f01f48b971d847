"""Reads what a timeline is made of: an operation, and the messages that followed its command."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.commands import Command
from slipway_contracts.desired import Desired
from slipway_store.queries import Reads
from slipway_store.rows import EventRow, OperationRow

from slipway_api.answers.timeline_views import Timeline
from slipway_api.reading.timeline import TimedMessage, TimelineFold
from slipway_api.refusing import problems, refusals
from slipway_api.refusing.calling import called, spoken

_AT_ONCE: Final = 500
_MOST: Final = 20_000
_TYPES: Final = tuple(
    name for name, kind in MESSAGE_TYPES.items() if kind is not Desired and not issubclass(kind, Command)
)


class Timelines:
    """Timelines of operations.

    Args:
        reads: the projection, which has every message of the log.
    """

    def __init__(self, *, reads: Reads) -> None:
        self._reads = reads

    async def of(self, group: str, deployment: str, operation: str | None) -> Timeline:
        """Return the timeline of an operation, of the deployment's last one for None.

        Reads no further than to where nothing of it is open, and at most 20,000 messages of the deployment.

        Raises:
            DeploymentNotFoundError: nothing was ever asked of such a deployment.
            OperationNotFoundError: the deployment has no such operation.
        """
        row = await self._operation(group, deployment, operation)
        fold, after = TimelineFold(row), row.accepted
        for _ in range(_MOST // _AT_ONCE):
            found = await self._reads.events(
                groups=[group], deployment=deployment, types=_TYPES, after=after, limit=_AT_ONCE
            )
            if _folded(fold, found) or len(found) < _AT_ONCE:
                break
            after = found[-1].sequence
        return fold.result(datetime.now(UTC))

    async def _operation(self, group: str, deployment: str, identifier: str | None) -> OperationRow:
        if identifier is None:
            rows = await self._reads.operations(groups=[group], deployment=deployment, limit=1)
            if not rows:
                raise refusals.deployment_not_found(group, deployment, deleted=False)
            return rows[0]
        row = await self._reads.operation(identifier)
        if row is None or (row.group, row.deployment) != (group, deployment):
            raise problems.OperationNotFoundError(
                f"{spoken(group, deployment)} has no operation {identifier}.",
                hint="List its operations: "
                f"GET /v1/operations?group={group}&deployment={called(group, deployment)}",
                operation=identifier,
            )
        return row


def _folded(fold: TimelineFold, rows: Sequence[EventRow]) -> bool:
    """Fold these messages; return whether those behind them can change nothing."""
    for told in filter(None, map(_told, rows)):
        if fold.is_complete_before(told):
            return True
        fold.take(told)
    return False


def _told(row: EventRow) -> TimedMessage | None:
    """Return the message of a row; None where its body is not of its type."""
    try:
        message = MESSAGE_TYPES[row.type].model_validate(row.body)
    except ValidationError:
        return None
    return TimedMessage(time=row.time, correlation_id=row.correlation_id, message=message)  # type: ignore[arg-type]
