"""The fold of an alias: each change of where it points is a row of its own."""

from slipway_contracts.events import TrafficShifted

from slipway_store.rows import AliasChangeRow, OperationRow
from slipway_store.told import Told


def changed(event: TrafficShifted, operation: OperationRow | None, logged: Told) -> AliasChangeRow:
    """Note a change, with the operation that it belongs to where that is known."""
    return AliasChangeRow(
        group=event.group,
        deployment=event.deployment,
        alias=event.alias,
        sequence=logged.sequence,
        shares=event.shares,
        at=logged.time,
        operation=operation.id if operation else None,
        by=operation.created_by if operation else None,
    )
