"""The rows of one deployment as they stood in the past: folded in memory by the projector's fold. Pure."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from slipway_contracts.codec import AnyMessage
from slipway_contracts.lifecycle import TERMINAL_OPERATIONS
from slipway_contracts.replica import ReplicaState

from slipway_store.folding import fold, touches
from slipway_store.folds.deployments import settled
from slipway_store.records import (
    DEPLOYMENT,
    HISTORY,
    OPERATION,
    RELEASE,
    REPLICA,
    TARGET,
    VERSION,
    Key,
    R,
    Record,
)
from slipway_store.rows import (
    DeploymentRow,
    OperationRow,
    ReleaseHistory,
    ReleaseRow,
    ReplicaRow,
    VersionRow,
)

_ENDED: Final = (ReplicaState.EXITED, ReplicaState.GONE)
_ENDS_LOOKED_AT: Final = 1_000
_SLOT: Final = re.compile(r"([0-9]+)-[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """A message as the table `event` has it, read back to be folded."""

    sequence: int
    id: str
    time: datetime
    correlation_id: str | None
    message: AnyMessage | None


class RecalledRows:
    """What the tables held of one deployment; begins with nothing, and is given its messages in log order.

    Messages of targets belong to them too: who loses a target does not know how its deployments stand.
    """

    def __init__(self, group: str, deployment: str) -> None:
        self._key: Final = (group, deployment)
        self._rows: dict[Record[Any], dict[Key, Any]] = defaultdict(dict)
        self.last: Recalled | None = None

    def add(self, recalled: Recalled) -> None:
        """Fold one message, all before it being folded."""
        fold(self, recalled, touches(recalled))
        self.last = recalled

    def get(self, record: Record[R], key: Key) -> R | None:
        """Return a row; None where there is none."""
        row: R | None = self._rows[record].get(key)
        return row

    def put(self, record: Record[R], key: Key, row: R) -> None:
        """Replace the row of a key."""
        self._rows[record][key] = row

    def erase_history(self, group: str, deployment: str, *, before: int) -> None:
        """Forget the history of a deployment up to a position."""
        for history in HISTORY:
            kept = self._rows[history.record].items()
            self._rows[history.record] = {
                key: row for key, row in kept if not history.covers(row, group, deployment, before)
            }

    def deployments_on(self, target: str) -> list[tuple[Key, DeploymentRow]]:
        """Return this deployment, if it is on this target."""
        row = self.get(DEPLOYMENT, self._key)
        return [(self._key, row)] if row is not None and row.target == target else []

    @property
    def deployment(self) -> DeploymentRow | None:
        """The deployment, its status derived; None: it had not begun."""
        row = self.get(DEPLOYMENT, self._key)
        lost = {target.name for target in self._rows[TARGET].values() if target.lost_since}
        return settled(row, lost) if row else None

    @property
    def newest(self) -> ReleaseHistory | None:
        """The newest release."""
        row = max(self._rows[RELEASE].values(), key=lambda row: row.number, default=None)
        return self._history(row) if row else None

    def release(self, number: int) -> ReleaseHistory | None:
        """Return a release."""
        row = self.get(RELEASE, (*self._key, number))
        return self._history(row) if row else None

    def replicas_shown(self, *, most: int = 100) -> list[ReplicaRow]:
        """Return what `DeploymentReads.replicas_shown` would have returned."""
        rows: list[ReplicaRow] = sorted(self._rows[REPLICA].values(), key=lambda row: -row.sequence)
        there = [row for row in rows if row.state not in _ENDED]
        ended: dict[tuple[str, str], ReplicaRow] = {}
        for row in rows[:_ENDS_LOOKED_AT]:
            if row.state in _ENDED:
                ended.setdefault((row.workload, _slot(row.replica)), row)
        return [*there, *ended.values()][:most]

    def versions(self, *, most: int) -> list[VersionRow]:
        """Return the versions, the newest first."""
        return sorted(self._rows[VERSION].values(), key=lambda row: -row.made)[:most]

    def unfinished(self, *, most: int) -> list[OperationRow]:
        """Return the operations that had not ended, the newest first."""
        rows: Sequence[OperationRow] = list(self._rows[OPERATION].values())
        under_way = [row for row in rows if row.state not in TERMINAL_OPERATIONS]
        return sorted(under_way, key=lambda row: -row.accepted)[:most]

    def _history(self, row: ReleaseRow) -> ReleaseHistory:
        made = self.get(VERSION, (row.version_id,)) if row.version_id is not None else None
        unusable = made is not None and (made.hidden or made.removed_at is not None)
        return ReleaseHistory(**dict(row), restorable=row.version is not None and not unusable)


def _slot(replica: str) -> str:
    found = _SLOT.fullmatch(replica)
    return found[1] if found else replica
