"""The folds of a replica: its last fact, what ended it even after it is gone; and of unknown workloads."""

from typing import Final

from slipway_contracts.events import WorkloadUnknown
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_store.rows import ReplicaRow, UnknownWorkloadRow
from slipway_store.told import Told

_OF_FACT: Final = tuple(name for name in ReplicaRow.model_fields if name in ReplicaFact.model_fields)


def fold(row: ReplicaRow | None, fact: ReplicaFact, logged: Told) -> ReplicaRow:
    """Take the newer of what is known and this fact, as `evolve` does: by lease epoch, then transition."""
    if row is not None and (row.epoch, row.transition) >= (fact.epoch, fact.transition):
        return row
    seen = ReplicaRow.of_valid(**{name: getattr(fact, name) for name in _OF_FACT}, sequence=logged.sequence)
    return seen if row is None else seen.model_copy(update=_kept(row, seen))


def unknown(
    row: UnknownWorkloadRow | None, message: WorkloadUnknown | ReplicaFact, logged: Told
) -> UnknownWorkloadRow | None:
    """Note a workload that nobody wanted, until a replica of it was seen gone; seen again, it is back."""
    match message:
        case WorkloadUnknown():
            return UnknownWorkloadRow(
                group=message.group,
                deployment=message.deployment,
                workload=message.workload,
                target=message.target,
                seen_at=row.seen_at if row and row.gone_at is None else logged.time,
                sequence=logged.sequence,
            )
        case ReplicaFact():
            if row is None or row.gone_at is not None:
                return row
            return row.model_copy(update={"gone_at": logged.time, "sequence": logged.sequence})


def _kept(row: ReplicaRow, seen: ReplicaRow) -> dict[str, object]:
    started: dict[str, object] = {"started_at": seen.started_at or row.started_at}
    if seen.state is not ReplicaState.GONE:
        return started
    return started | {
        "pid": row.pid if seen.pid is None else seen.pid,
        "exit_code": row.exit_code if seen.exit_code is None else seen.exit_code,
        "signal": seen.signal or row.signal,
        "log_tail": seen.log_tail or row.log_tail,
        "detail": seen.detail or row.detail,
    }
