"""The fold of a replica: its last fact, and what ended it even after it is gone."""

from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_store.rows import ReplicaRow

from slipway_projector.logged import Logged


def fold(row: ReplicaRow | None, fact: ReplicaFact, logged: Logged) -> ReplicaRow:
    """Take the newer of what is known and this fact, as `evolve` does: by lease epoch, then transition."""
    if row is not None and (row.epoch, row.transition) >= (fact.epoch, fact.transition):
        return row
    seen = ReplicaRow(
        **fact.model_dump(include=ReplicaRow.model_fields.keys() & ReplicaFact.model_fields.keys()),
        sequence=logged.sequence,
    )
    return seen if row is None else seen.model_copy(update=_kept(row, seen))


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
