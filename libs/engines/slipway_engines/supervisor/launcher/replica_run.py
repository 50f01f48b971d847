"""Runs one replica for supervisord and writes down what becomes of it.

In a process of its own that outlives nothing: it ends with supervisord, and the replica's whole process tree
ends with it.
"""

import errno
import fcntl
import json
import os
import signal
import time

from slipway_engines.supervisor.launcher import process_tree
from slipway_engines.supervisor.launcher.image_command import host_command
from slipway_engines.supervisor.launcher.launch_config import LaunchConfig
from slipway_engines.supervisor.launcher.layout import Layout
from slipway_engines.supervisor.launcher.record_keeping import RETRY_SECONDS, RecordKeeping
from slipway_engines.supervisor.launcher.replica_log import ReplicaLog
from slipway_engines.supervisor.launcher.replica_process import (
    ReplicaProcess,
    StartError,
    adopt_orphans,
    die_with_parent,
    fork,
)
from slipway_engines.supervisor.launcher.replica_record import (
    BLOCKED,
    EXITED,
    PREPARING,
    RUNNING,
    STOPPED,
    ReplicaRecord,
)
from slipway_engines.supervisor.launcher.secrets_told import secrets_told
from slipway_engines.supervisor.launcher.wakeups import Wakeups

ORPHAN_GRACE_SECONDS = 1.0
TAKEOVER_SECONDS = 3.0
FIXED_PORT_SECONDS = 20.0
COMMAND_NOT_STARTED = 127
_SECRETS_SECONDS = 0.5
_STEP_SECONDS = 0.02


class ReplicaRun:
    """One replica, from the wish to its end."""

    def __init__(self, folder: str) -> None:
        self._umask = os.umask(0o077)
        self._folder = os.path.abspath(folder)
        self._layout = Layout.of_replica(folder)
        program = os.path.basename(self._folder)
        record_file = self._layout.record_file(program)
        self._config = LaunchConfig.load(self._layout.config_file(program))
        self._previous = ReplicaRecord.load(record_file)
        self._wakeups = Wakeups()
        self._record = RecordKeeping(record_file, port=self._config.port, wakeups=self._wakeups)
        self._secrets: dict[str, str] = {}

    def run(self) -> None:
        """Run the replica until it ends; one that ended by itself is not run again."""
        # A wish that was taken back before supervisord got to start this is not seen by supervisord itself.
        wished = os.path.exists(self._layout.program_file(os.path.basename(self._folder)))
        if not wished or (self._previous is not None and self._previous.status == EXITED):
            return
        lock = self._take_over()
        try:
            if self._prepare_image() and self._await_secrets() and self._find_port():
                self._run_replica()
            elif self._wakeups.told_to_end:
                self._record.save(STOPPED)
            self._record.settle()
        finally:
            os.close(lock)

    def _take_over(self) -> int:
        """Become the only launcher of this replica: one that lost its supervisord may still be ending it."""
        lock = os.open(os.path.join(self._folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + TAKEOVER_SECONDS
        while not _locked(lock):
            if time.monotonic() > deadline and self._previous is not None:
                _kill_launcher(self._previous)
            time.sleep(_STEP_SECONDS)
        if self._previous is not None:
            process_tree.kill(process_tree.holders(self._folder))
        return lock

    def _prepare_image(self) -> bool:
        """Make sure that the image can be used; say whether the replica shall still start."""
        image = self._config.image
        problem = image.get("problem")
        if not isinstance(problem, dict):
            root = self._layout.image_root(str(image["digest"]))
            if os.path.isdir(root) and os.path.exists(os.path.join(self._layout.python_bin, "python")):
                return True
            self._record.save(PREPARING, detail="The image is being unpacked.")
            problem = self._unpack(root)
        if problem is not None and not self._wakeups.told_to_end:
            self._record.save(BLOCKED, reason=str(problem["reason"]), detail=str(problem["message"]))
        return problem is None and not self._wakeups.told_to_end

    def _unpack(self, root: str) -> dict[str, object] | None:
        """Unpack in a child, so that what that needs does not stay in this process."""
        report, reporter = os.pipe()
        child = fork(lambda: self._report_unpacking(root, reporter))
        os.close(reporter)
        answer = b""
        while not self._wakeups.told_to_end:
            if report in self._wakeups.wait((report,)):
                data = os.read(report, 1 << 16)
                answer += data
                if not data:
                    break
        else:
            process_tree.kill([child])
        os.close(report)
        os.waitpid(child, 0)
        if not answer:
            return {"reason": "ImageUnusable", "message": "Unpacking the image was interrupted; try again."}
        problem = json.loads(answer)
        return problem if isinstance(problem, dict) else None

    def _report_unpacking(self, root: str, reporter: int) -> None:
        from slipway_engines.supervisor.launcher.images import prepare  # noqa: PLC0415 - for the child alone

        folders = {"layers": self._layout.layers, "root": root, "python": self._layout.python}
        problem = prepare(folders, self._config.image, self._config.working_dir)
        os.write(reporter, json.dumps(problem).encode())

    def _await_secrets(self) -> bool:
        """Wait for what the replica shall be told in confidence; say whether it shall still start."""
        waits = False
        while True:
            told = secrets_told(self._layout, self._config.program)
            missing = [name for name in self._config.secrets if name not in told]
            if not missing:
                self._secrets = {name: told[name] for name in self._config.secrets}
                return True
            if not waits:
                waits = True
                detail = (
                    f"It waits for the values of its secrets ({', '.join(missing)}), which this machine does "
                    "not hold, as after a reboot. The deployer tells them again."
                )
                self._record.save(PREPARING, detail=detail)
            self._wakeups.wait((), _SECRETS_SECONDS)
            if self._wakeups.told_to_end:
                return False

    def _find_port(self) -> bool:
        """Settle the port; say whether the replica shall still start."""
        if self._config.fixed_port:
            return self._await_fixed_port()
        if self._previous is not None:
            from slipway_engines.supervisor.launcher.ports import any_free, is_free  # noqa: PLC0415 - rarely needed

            port = self._previous.port or self._config.port
            self._record.port = port if is_free(port) else any_free()
        return True

    def _await_fixed_port(self) -> bool:
        """Give the previous holder time to end; after that the replica may try, and say what is wrong."""
        from slipway_engines.supervisor.launcher.ports import is_free  # noqa: PLC0415 - rarely needed

        deadline = time.monotonic() + FIXED_PORT_SECONDS
        waits = False
        while not is_free(self._config.port) and time.monotonic() < deadline:
            if not waits:
                waits = True
                detail = (
                    f"Port {self._config.port}, which the command insists on, is in use by another process."
                )
                self._record.save(PREPARING, detail=detail)
            self._wakeups.wait((), _STEP_SECONDS)
            if self._wakeups.told_to_end:
                return False
        return True

    def _run_replica(self) -> None:
        try:
            for name in ("home", "tmp"):
                os.makedirs(os.path.join(self._folder, name), exist_ok=True)
            log = ReplicaLog(self._folder)
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = "DiskFull" if full else "ImageUnusable"
            self._record.save(BLOCKED, reason=reason, detail=f"The replica's folder cannot be made: {error}")
            return
        try:
            process = self._start()
        except StartError as error:
            log.note(str(error))
            self._record.save(EXITED, exit_status=COMMAND_NOT_STARTED, detail=str(error))
            return
        self._record.started(process.pid)
        self._record.save(RUNNING)
        ended_by_itself = self._serve(process, log)
        process.drain(log)
        log.flush()
        self._record.save(EXITED if ended_by_itself else STOPPED, exit_status=process.exit_status)

    def _start(self) -> ReplicaProcess:
        image = self._config.image
        variables = image["variables"]
        command = host_command(
            self._config,
            variables=variables if isinstance(variables, dict) else {},
            root=self._layout.image_root(str(image["digest"])),
            python_bin=self._layout.python_bin,
            folder=self._folder,
            port=self._record.port,
            secrets=self._secrets,
        )
        self._secrets = {}
        return ReplicaProcess(command, umask=self._umask)

    def _serve(self, process: ReplicaProcess, log: ReplicaLog) -> bool:
        """Copy output until the whole tree has ended; say whether it did so by itself."""
        kill_at: float | None = None
        while True:
            for output in self._wakeups.wait(process.outputs, self._patience(kill_at)):
                process.copy(output, log)
            process.reap()
            if process.all_ended:
                return kill_at is None
            if kill_at is not None and time.monotonic() >= kill_at:
                process.kill()
            elif kill_at is None and process.exit_status is not None:
                self._end_leftovers(process)
                return True
            elif kill_at is None and self._wakeups.told_to_end:
                process.ask_to_end()
                kill_at = time.monotonic() + self._grace()
            if not self._record.is_saved:
                self._record.retry()

    def _end_leftovers(self, process: ReplicaProcess) -> None:
        """End what a replica that exited left behind; a process in the kernel's hands is not waited for."""
        deadline = time.monotonic() + TAKEOVER_SECONDS
        while not process.all_ended and time.monotonic() < deadline:
            process.kill()
            self._wakeups.wait((), _STEP_SECONDS)
            process.reap()

    def _grace(self) -> float:
        grace = self._config.grace_seconds
        return min(grace, ORPHAN_GRACE_SECONDS) if self._wakeups.orphaned else grace

    def _patience(self, kill_at: float | None) -> float | None:
        if kill_at is not None:
            return max(_STEP_SECONDS, kill_at - time.monotonic())
        return None if self._record.is_saved else RETRY_SECONDS


def _locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kill_launcher(record: ReplicaRecord) -> None:
    if process_tree.is_alive(record.launcher_pid, record.launcher_ticks):
        tree = process_tree.descendants(record.launcher_pid)
        process_tree.kill([record.launcher_pid, *tree])


def main(folder: str) -> None:
    """Run the replica that this folder describes."""
    supervisor = os.getppid()
    die_with_parent(signal.SIGTERM)
    adopt_orphans()
    # A parent that ended before the line above would never be noticed.
    if os.getppid() == supervisor:
        ReplicaRun(folder).run()
