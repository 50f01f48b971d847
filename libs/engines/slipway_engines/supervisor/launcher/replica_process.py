"""Starts the replica's process so that nothing of it survives the launcher, and copies what it prints."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

from slipway_engines.supervisor.launcher import process_tree
from slipway_engines.supervisor.launcher.image_command import HostCommand
from slipway_engines.supervisor.launcher.replica_log import ReplicaLog

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_CHUNK = 1 << 16
_CANNOT_START = 127


class StartError(Exception):
    """The replica's command could not be started."""


def die_with_parent(number: int) -> None:
    """Let the kernel send this signal when the parent ends (Linux, `prctl(2)`)."""
    ctypes.CDLL(None).prctl(_SET_PDEATHSIG, number, 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own (Linux, `prctl(2)`)."""
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def fork(run: Callable[[], object]) -> int:
    """Run something in a child that is killed with this process; return the child's id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(signal.SIGKILL)
        if os.getppid() == parent:
            run()
    except BaseException:  # noqa: BLE001 - no frame of the parent may run on in the child
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(_CANNOT_START)


class ReplicaProcess:
    """The process of one replica and whatever it starts, in a session of its own."""

    def __init__(self, command: HostCommand, *, umask: int) -> None:
        """Start the command.

        Raises:
            StartError: there is no such program or working directory, or it may not be used.
        """
        self.exit_status: int | None = None
        self.all_ended = False
        self._command = command
        self._umask = umask
        self.outputs: dict[int, str] = {}
        writers = [self._pipe("stdout"), self._pipe("stderr")]
        report, reporter = os.pipe()
        self.pid = fork(lambda: self._become(writers[0], writers[1], reporter))
        for descriptor in (*writers, reporter):
            os.close(descriptor)
        with os.fdopen(report) as file:
            problem = file.read()
        if problem:
            os.waitpid(self.pid, 0)
            raise StartError(problem)

    def copy(self, output: int, log: ReplicaLog) -> bool:
        """Copy what can be read now into the log; say whether there may be more."""
        try:
            data = os.read(output, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            os.close(output)
            del self.outputs[output]
            return False
        log.write(self.outputs[output], data)
        return True

    def drain(self, log: ReplicaLog) -> None:
        """Copy all that is left."""
        for output in list(self.outputs):
            while self.copy(output, log):
                pass

    def reap(self) -> None:
        """Collect whatever ended: the replica, and the orphans that came to this process."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.all_ended = True
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.exit_status = os.waitstatus_to_exitcode(status)

    def ask_to_end(self) -> None:
        """Send SIGTERM to the process group."""
        try:
            os.killpg(self.pid, signal.SIGTERM)
        except ProcessLookupError:
            return

    def kill(self) -> None:
        """Send SIGKILL to the whole tree as it is now; one that just forked is met by the next call."""
        process_tree.kill(process_tree.descendants(os.getpid()))

    def _pipe(self, stream: str) -> int:
        read, write = os.pipe()
        os.set_blocking(read, False)
        self.outputs[read] = stream
        return write

    def _become(self, stdout: int, stderr: int, reporter: int) -> None:
        try:
            os.setsid()
            os.umask(self._umask)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.chdir(self._command.working_dir)
            os.execvpe(self._command.argv[0], self._command.argv, self._command.environment)  # noqa: S606
        except OSError as error:
            where = error.filename if error.filename is not None else self._command.argv[0]
            os.write(reporter, f"cannot start {self._command.argv[0]!r}: {where}: {error.strerror}".encode())
        os._exit(_CANNOT_START)
