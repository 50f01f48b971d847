"""Where a replica stands, judged from its record and from processes that live or not."""

import os
import subprocess
import sys
from typing import Any

import pytest
from slipway_contracts.replica import ReplicaState
from slipway_engines.supervisor.launcher.process_tree import start_ticks
from slipway_engines.supervisor.launcher.replica_record import ReplicaRecord
from slipway_engines.supervisor.standing import Standing, is_final, standing, state_of

HERE = {"pid": os.getpid(), "ticks": start_ticks(os.getpid()) or 0}


@pytest.fixture(scope="module")
def dead() -> dict[str, int]:
    """Return a process id that was used, with a start time that is not that of whoever has it next."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return {"pid": process.pid, "ticks": 0}


def record(status: str, launcher: dict[str, int], supervisor: dict[str, int], **rest: Any) -> ReplicaRecord:
    return ReplicaRecord(
        status=status,
        at="2026-01-01T00:00:00.000000Z",
        launcher_pid=launcher["pid"],
        launcher_ticks=launcher["ticks"],
        supervisor_pid=supervisor["pid"],
        supervisor_ticks=supervisor["ticks"],
        **rest,
    )


@pytest.mark.parametrize(
    ("status", "launcher_lives", "supervisor_lives", "wished", "expected"),
    [
        ("running", True, True, True, Standing.RUNNING),
        ("running", True, True, False, Standing.LEAVING),
        ("running", True, False, True, Standing.RUNNING),
        ("running", False, True, True, Standing.KILLED),
        ("running", False, False, True, Standing.PAUSED),
        ("running", False, True, False, Standing.GONE),
        ("preparing", True, True, True, Standing.PREPARING),
        ("preparing", True, True, False, Standing.LEAVING),
        ("preparing", False, False, True, Standing.PAUSED),
        ("exited", True, True, True, Standing.EXITED),
        ("exited", False, False, True, Standing.EXITED),
        ("exited", False, True, False, Standing.GONE),
        ("stopped", False, True, True, Standing.PAUSED),
        ("stopped", False, False, True, Standing.PAUSED),
        ("stopped", True, True, False, Standing.GONE),
        ("blocked", False, True, True, Standing.BLOCKED),
        ("blocked", False, True, False, Standing.GONE),
    ],
)
def test_a_record_and_its_processes_say_where_a_replica_stands(  # noqa: PLR0917
    dead: dict[str, int],
    status: str,
    launcher_lives: bool,
    supervisor_lives: bool,
    wished: bool,
    expected: Standing,
) -> None:
    known = record(status, HERE if launcher_lives else dead, HERE if supervisor_lives else dead)

    assert standing(known, wished=wished) is expected


def test_without_a_record_only_the_wish_counts() -> None:
    assert standing(None, wished=True) is Standing.AWAITED
    assert standing(None, wished=False) is Standing.GONE


def test_another_process_of_the_same_id_is_not_taken_for_the_launcher() -> None:
    later = {"pid": os.getpid(), "ticks": HERE["ticks"] - 1}

    assert standing(record("running", later, HERE), wished=True) is Standing.KILLED


def test_the_end_of_supervisord_is_no_end_of_a_replica() -> None:
    assert state_of(Standing.PAUSED) is ReplicaState.UNREADY
    assert not is_final(Standing.PAUSED)
    assert {each for each in Standing if is_final(each)} == {Standing.EXITED, Standing.KILLED, Standing.GONE}
