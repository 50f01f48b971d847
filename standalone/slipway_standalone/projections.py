"""Runs the projector's own commands on this platform's log and tables; how they work is not known here."""

import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Literal

from slipway_standalone import plan
from slipway_standalone.errors import SupervisorUnreachableError
from slipway_standalone.folder import StateFolder
from slipway_standalone.gathering import gather
from slipway_standalone.running import running_supervisor
from slipway_standalone.wishes import Wishes


def rebuild(folder: StateFolder, environment: Mapping[str, str], how: Literal["--swap", "--verify"]) -> int:
    """Rebuild the tables, then swap them in or compare them; the command's exit code.

    Raises:
        SupervisorUnreachableError: The platform does not run.
    """
    return _run(folder, environment, "slipway_projector.rebuild_command", how, settings=_as_projector)


def keep_log(folder: StateFolder, environment: Mapping[str, str], *arguments: str) -> int:
    """Show the log, take a snapshot, or truncate it; the command's exit code.

    Raises:
        SupervisorUnreachableError: The platform does not run.
    """
    return _run(
        folder, environment, "slipway_projector.log_command", *arguments, settings=plan.log_keeper_environment
    )


def _as_projector(gathered: plan.Site) -> dict[str, str]:
    return plan.service_environment(gathered, "projector")


def _run(
    folder: StateFolder,
    environment: Mapping[str, str],
    module: str,
    *arguments: str,
    settings: Callable[[plan.Site], dict[str, str]],
) -> int:
    if running_supervisor(folder) is None:
        raise SupervisorUnreachableError(
            f"Not running: {folder.path}.", remedy="`slipway up` starts it; then repeat the command."
        )
    gathered = gather(folder, Wishes(state=folder.path, environment=environment), is_running=True)
    ran = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        env=settings(gathered),
        cwd=folder.path,
        check=False,
    )
    return ran.returncode
