"""What a replica's files say about it, together with whether the processes they name still live."""

from enum import StrEnum
from typing import Final, assert_never

from slipway_contracts.replica import ReplicaState

from slipway_engines.supervisor.launcher import process_tree, replica_record
from slipway_engines.supervisor.launcher.replica_record import ReplicaRecord


class Standing(StrEnum):
    """Where a replica stands; RUNNING alone needs to be probed."""

    AWAITED = "awaited"
    PREPARING = "preparing"
    RUNNING = "running"
    LEAVING = "leaving"
    PAUSED = "paused"
    BLOCKED = "blocked"
    EXITED = "exited"
    KILLED = "killed"
    GONE = "gone"


_ENDED: Final = {
    replica_record.EXITED: Standing.EXITED,
    replica_record.BLOCKED: Standing.BLOCKED,
    replica_record.STOPPED: Standing.PAUSED,
}


def standing(record: ReplicaRecord | None, *, wished: bool) -> Standing:
    """Return where a replica stands.

    A launcher that died without a word under a living supervisord was killed. When supervisord is dead as
    well the replica ended with it and comes back with it: PAUSED, which is no end.
    """
    if record is None:
        return Standing.AWAITED if wished else Standing.GONE
    if record.status in _ENDED:
        return _ENDED[record.status] if wished else Standing.GONE
    if process_tree.is_alive(record.launcher_pid, record.launcher_ticks):
        if not wished:
            return Standing.LEAVING
        return Standing.RUNNING if record.status == replica_record.RUNNING else Standing.PREPARING
    if not wished:
        return Standing.GONE
    supervised = process_tree.is_alive(record.supervisor_pid, record.supervisor_ticks)
    return Standing.KILLED if supervised else Standing.PAUSED


def is_final(where: Standing) -> bool:
    """Say whether a replica in this standing never runs again under its name."""
    return where in {Standing.EXITED, Standing.KILLED, Standing.GONE}


def state_of(where: Standing) -> ReplicaState:
    """Return the state to report; a running replica's depends on its probes."""
    match where:
        case Standing.RUNNING:
            return ReplicaState.STARTED
        case Standing.AWAITED | Standing.PREPARING | Standing.LEAVING | Standing.PAUSED:
            return ReplicaState.UNREADY
        case Standing.BLOCKED:
            return ReplicaState.BLOCKED
        case Standing.EXITED | Standing.KILLED:
            return ReplicaState.EXITED
        case Standing.GONE:
            return ReplicaState.GONE
        case _:
            assert_never(where)


def detail_of(where: Standing, record: ReplicaRecord | None) -> str | None:
    """Return what to say beside the state."""
    match where:
        case Standing.AWAITED:
            return "It waits for supervisord to start it."
        case Standing.LEAVING:
            return "It was told to end."
        case Standing.PAUSED:
            return "It was stopped, by hand or with supervisord; the next wish brings it back."
        case Standing.KILLED:
            return "Its launcher was killed, and the replica with it."
        case _:
            return record.detail if record is not None else None
