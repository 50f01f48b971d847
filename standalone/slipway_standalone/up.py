"""Brings an installation up: folder, plan, supervisor, programs; gives all of it back when one part fails."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from slipway_standalone import former, launch, site
from slipway_standalone.connection import Connection
from slipway_standalone.errors import PortLostError, SupervisorUnreachableError
from slipway_standalone.folder import StateFolder
from slipway_standalone.plan import Site
from slipway_standalone.report import Report
from slipway_standalone.runtime import RuntimeFolder
from slipway_standalone.start import Start
from slipway_standalone.stop import stop
from slipway_standalone.supervision import Supervisor
from slipway_standalone.wishes import Wishes


@dataclass(frozen=True, kw_only=True)
class Run:
    """A platform that is up."""

    folder: StateFolder
    connection: Connection
    supervisor: Supervisor
    was_running: bool

    @property
    def socket(self) -> Path:
        """Where the supervisor listens; it removes it when it ends in good order."""
        return RuntimeFolder(Path(self.folder.load().runtime or "")).supervisor


def up(wishes: Wishes, report: Report) -> Run:
    """Make the platform run, all of it ready. What runs already is left as it is.

    Raises:
        StandaloneError: It cannot; what was started is stopped again.
    """
    with StateFolder.prepared(wishes.state) as folder:
        supervisor = running_supervisor(folder)
        was_running = supervisor is not None
        if supervisor is not None:
            _start(site.gather(folder, wishes, is_running=True), supervisor, wishes, report)
        else:
            supervisor = _start_anew(folder, wishes, report)
    return Run(
        folder=folder, connection=Connection.load(folder), supervisor=supervisor, was_running=was_running
    )


def running_supervisor(folder: StateFolder) -> Supervisor | None:
    """The supervisor of this folder, when it runs and answers."""
    installation = folder.load()
    if installation.runtime is None or former.supervisor(folder.records) is None:
        return None
    supervisor = Supervisor(RuntimeFolder(Path(installation.runtime)).supervisor)
    try:
        is_ours = supervisor.identifier() == launch.identifier(installation.id)
    except SupervisorUnreachableError:
        return None
    return supervisor if is_ours else None


def _start_anew(folder: StateFolder, wishes: Wishes, report: Report) -> Supervisor:
    for process in former.end_all(folder.records):
        report.tell(f"Ended {process.name} (pid {process.pid}), left behind by an earlier run.")
    try:
        return _start_once(folder, wishes, report)
    except PortLostError as error:
        report.tell(f"{error.fact} Its port was taken meanwhile; starting again with another.")
        return _start_once(folder, wishes, report)


def _start_once(folder: StateFolder, wishes: Wishes, report: Report) -> Supervisor:
    supervisor = None
    try:
        with report.step("planned"):
            gathered = site.gather(folder, wishes, is_running=False)
        with report.step("supervisor answers"):
            launch.write(gathered)
            supervisor = launch.launch(gathered, detach=wishes.detach)
        _start(gathered, supervisor, wishes, report)
    except BaseException:
        stop(folder, supervisor, report)
        raise
    return supervisor


def _start(gathered: Site, supervisor: Supervisor, wishes: Wishes, report: Report) -> None:
    start = Start(site=gathered, supervisor=supervisor, report=report)
    asyncio.run(_programs(start, only_servers=wishes.only_servers))


async def _programs(start: Start, *, only_servers: bool) -> None:
    if await start.is_done(only_servers=only_servers):
        return
    await start.servers()
    if not only_servers:
        await start.services()
