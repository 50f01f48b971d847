"""Keeps a replica's record up to date on disk, also on one that is full now and then."""

import os
import signal

from slipway_engines.supervisor.launcher import process_tree
from slipway_engines.supervisor.launcher.replica_record import PREPARING, ReplicaRecord, now
from slipway_engines.supervisor.launcher.wakeups import Wakeups

RETRY_SECONDS = 0.5


class RecordKeeping:
    """The record of the replica that this launcher runs."""

    def __init__(self, path: str, *, port: int, wakeups: Wakeups) -> None:
        self._path = path
        self._wakeups = wakeups
        self.is_saved = True
        supervisor = os.getppid()
        self._record = ReplicaRecord(
            status=PREPARING,
            at=now(),
            launcher_pid=os.getpid(),
            launcher_ticks=process_tree.start_ticks(os.getpid()) or 0,
            supervisor_pid=supervisor,
            supervisor_ticks=process_tree.start_ticks(supervisor) or 0,
            port=port,
            boot=process_tree.boot(),
        )

    @property
    def port(self) -> int:
        """The port that the replica is told."""
        return self._record.port or 0

    @port.setter
    def port(self, port: int) -> None:
        self._record.port = port

    def started(self, pid: int) -> None:
        """Note the process; goes to disk with the next status."""
        self._record.pid, self._record.started_at = pid, now()

    def save(
        self,
        status: str,
        *,
        exit_status: int | None = None,
        reason: str | None = None,
        detail: str | None = None,
    ) -> None:
        """Set the status and write the record down; where that fails, `retry` tries again.

        Args:
            status: one of the states of a record.
            exit_status: the exit code, or the negative number of the signal that ended the process.
            reason: stable code of what blocks the replica.
            detail: the same in words.
        """
        record = self._record
        record.status, record.at, record.reason, record.detail = status, now(), reason, detail
        if exit_status is not None:
            record.exit_code = exit_status if exit_status >= 0 else None
            record.signal = _signal_name(-exit_status) if exit_status < 0 else None
        self.retry()

    def retry(self) -> None:
        """Write the record down."""
        try:
            self._record.save(self._path)
        except OSError:
            self.is_saved = False
        else:
            self.is_saved = True

    def settle(self) -> None:
        """Retry until the record is on disk, for as long as anybody may still ask for it."""
        while not self.is_saved and not self._wakeups.told_to_end:
            self._wakeups.wait((), RETRY_SECONDS)
            self.retry()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
