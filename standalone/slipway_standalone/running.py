"""A platform that runs: how it is recognised and reached. It starts and stops nothing."""

from dataclasses import dataclass
from pathlib import Path

from slipway.connection import ConnectionFile

from slipway_standalone import former
from slipway_standalone.errors import SupervisorUnreachableError
from slipway_standalone.folder import Installation, StateFolder
from slipway_standalone.runtime import RuntimeFolder
from slipway_standalone.supervision import Supervisor


@dataclass(frozen=True, kw_only=True)
class Run:
    """A platform that is up."""

    folder: StateFolder
    connection: ConnectionFile
    supervisor: Supervisor
    was_running: bool

    @property
    def socket(self) -> Path:
        """Where the supervisor listens; it removes it when it ends in good order."""
        return RuntimeFolder(Path(self.folder.load().runtime or "")).supervisor


def running_supervisor(folder: StateFolder) -> Supervisor | None:
    """The supervisor of this folder, when it runs and answers."""
    installation = folder.load()
    if installation.runtime is None or former.supervisor(folder.records) is None:
        return None
    supervisor = Supervisor(RuntimeFolder(Path(installation.runtime)).supervisor)
    try:
        is_ours = supervisor.identifier() == identifier(installation)
    except SupervisorUnreachableError:
        return None
    return supervisor if is_ours else None


def identifier(installation: Installation) -> str:
    """By what the supervisor of an installation is known."""
    return f"slipway-{installation.id}"
