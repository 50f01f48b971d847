"""What the launcher writes down about its replica, for whoever observes."""

import json
import os
import time

from slipway_engines.supervisor.launcher import process_tree

PREPARING = "preparing"
RUNNING = "running"
BLOCKED = "blocked"
EXITED = "exited"
STOPPED = "stopped"
_NEVER = -1


class ReplicaRecord:
    """The content of a replica's `<program>.json`, replaced atomically.

    `exited` means that the process ended by itself: it is never started again under this name. `stopped`
    means that it was told to end; it comes back with supervisord unless its program was removed.
    """

    def __init__(  # noqa: PLR0913
        self,
        *,
        status: str,
        at: str,
        launcher_pid: int,
        launcher_ticks: int,
        supervisor_pid: int,
        supervisor_ticks: int,
        port: int | None = None,
        pid: int | None = None,
        started_at: str | None = None,
        exit_code: int | None = None,
        signal: str | None = None,
        reason: str | None = None,
        detail: str | None = None,
        boot: str | None = None,
    ) -> None:
        self.status = status
        self.at = at
        self.launcher_pid = launcher_pid
        self.launcher_ticks = launcher_ticks
        self.supervisor_pid = supervisor_pid
        self.supervisor_ticks = supervisor_ticks
        self.port = port
        self.pid = pid
        self.started_at = started_at
        self.exit_code = exit_code
        self.signal = signal
        self.reason = reason
        self.detail = detail
        self.boot = boot

    @classmethod
    def load(cls, path: str) -> "ReplicaRecord | None":
        """Read one; None when there is none, or none that can be understood.

        Launcher and supervisor of one from before a reboot have ended, whoever has their ids now: start times
        count from the boot, so they tell nothing of the processes of another.
        """
        try:
            with open(path, encoding="utf-8") as file:
                told = json.load(file)
            # A newer release may have more to say.
            known = cls.__init__.__annotations__
            record = cls(**{name: value for name, value in told.items() if name in known})
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return None
        if record.boot is not None and record.boot != process_tree.boot():
            record.launcher_ticks = record.supervisor_ticks = _NEVER
        return record

    def save(self, path: str) -> None:
        """Replace the record.

        Raises:
            OSError: the disk is full, or the folder is gone.
        """
        temporary = f"{path}.tmp"
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(json.dumps(vars(self)))
        os.replace(temporary, path)


def now() -> str:
    """Return the time as RFC 3339 in UTC with microseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds // 1000:06d}Z"
