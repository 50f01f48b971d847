"""Runs the projector's own rebuild on this platform's log and tables; how it works is not known here."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Literal

from slipway_standalone import plan, site
from slipway_standalone.errors import SupervisorUnreachableError
from slipway_standalone.folder import StateFolder
from slipway_standalone.run import running_supervisor
from slipway_standalone.wishes import Wishes


def rebuild(folder: StateFolder, environment: Mapping[str, str], how: Literal["--swap", "--verify"]) -> int:
    """Rebuild the tables, then swap them in or compare them; the command's exit code.

    Raises:
        SupervisorUnreachableError: The platform does not run.
    """
    if running_supervisor(folder) is None:
        raise SupervisorUnreachableError(
            f"Not running: {folder.path}.", remedy="`slipway up` starts it; then repeat the command."
        )
    gathered = site.gather(folder, Wishes(state=folder.path, environment=environment), is_running=True)
    ran = subprocess.run(
        [sys.executable, "-m", "slipway_projector.rebuild", how],
        env=plan.service_environment(gathered, "projector"),
        cwd=folder.path,
        check=False,
    )
    return ran.returncode
