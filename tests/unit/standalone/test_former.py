"""Processes of an earlier run: only they are signalled, never who has their pids now."""

import signal
import subprocess

from slipway_standalone import former, guard
from slipway_standalone.former import Recorded


def test_a_pid_that_went_to_somebody_else_after_it_was_looked_at_is_not_signalled() -> None:
    with subprocess.Popen(["sleep", "100"]) as somebody, subprocess.Popen(["sleep", "100"]) as ours:
        start = guard.start_time(ours.pid)
        assert start is not None

        former._send(Recorded(name="nats", pid=somebody.pid, start="another"), signal.SIGKILL)
        former._send(Recorded(name="nats", pid=ours.pid, start=start), signal.SIGKILL)

        assert ours.wait(10) == -signal.SIGKILL
        assert somebody.poll() is None
        somebody.kill()


def test_a_process_that_has_ended_is_no_error() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()

    former._send(Recorded(name="nats", pid=process.pid, start="whenever"), signal.SIGKILL)
