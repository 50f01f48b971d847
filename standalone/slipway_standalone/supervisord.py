"""supervisord as this platform runs it: in the foreground, answering to the end of a child at once.

Started as `python -m slipway_standalone.supervisord` in the state folder. It has no policy of its own.
"""

import ctypes
import json
import os
import select
import signal
import sys
from pathlib import Path
from typing import Final

from supervisor.medusa.asyncore_25 import ExitNow  # type: ignore[import-untyped]
from supervisor.options import ServerOptions  # type: ignore[import-untyped]
from supervisor.poller import PollPoller  # type: ignore[import-untyped]
from supervisor.supervisord import Supervisor  # type: ignore[import-untyped]

from slipway_standalone.guard import start_time

DIE_WITH_PARENT: Final = "--die-with-parent"
_PR_SET_PDEATHSIG: Final = 1


class PromptPoller(PollPoller):  # type: ignore[misc]
    """Wakes up on SIGCHLD.

    supervisord looks after its children once per poll, which lasts a second when nothing else happens:
    a crashed server would stay down, and a stopped one count as running, for one to two seconds.
    """

    def initialize(self) -> None:  # noqa: D102
        super().initialize()
        self._wake, self._woken = os.pipe()
        for end in (self._wake, self._woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._woken, warn_on_full_buffer=False)
        self._poller.register(self._wake, select.POLLIN)
        self._again = True

    def _poll_fds(self, timeout: float) -> list[tuple[int, int]]:
        # The loop reaps after it polls and respawns after the next poll, so a signal hurries two rounds.
        ready: list[tuple[int, int]] = super()._poll_fds(0 if self._again else timeout)
        self._again = any(fd == self._wake for fd, _ in ready)
        if self._again:
            os.read(self._wake, 4096)
        return [(fd, events) for fd, events in ready if fd != self._wake]


def main(arguments: list[str]) -> None:
    """Run until a shutdown is asked for."""
    if DIE_WITH_PARENT in arguments and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM.value, 0, 0, 0)
    record = {"pid": os.getpid(), "start": start_time(os.getpid())}
    Path("run", "supervisord.json").write_text(json.dumps(record))
    options = ServerOptions()
    options.realize(["-n", "-c", "supervisord.conf"])
    options.first = True
    options.test = False
    options.poller = PromptPoller(options)
    try:
        Supervisor(options).main()
    except ExitNow:
        options.close_httpservers()
        options.close_logger()


if __name__ == "__main__":
    main(sys.argv[1:])
