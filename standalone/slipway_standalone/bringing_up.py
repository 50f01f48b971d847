"""Brings an installation up: folder, plan, supervisor, programs; gives all of it back when one part fails."""

import asyncio

from slipway.connection import ConnectionFile

from slipway_standalone import choices, former
from slipway_standalone.errors import HostError, PortError, PortLostError
from slipway_standalone.folder import Installation, StateFolder
from slipway_standalone.gathering import gather
from slipway_standalone.interruption import Interruption
from slipway_standalone.plan import Site
from slipway_standalone.report import Report
from slipway_standalone.running import Run, running_supervisor
from slipway_standalone.starting_programs import Start
from slipway_standalone.starting_supervisor import launch, write_plan
from slipway_standalone.stop import stop
from slipway_standalone.supervision import Supervisor
from slipway_standalone.wishes import Wishes


def bring_up(wishes: Wishes, report: Report, interruption: Interruption) -> Run:
    """Make the platform run, all of it ready. What runs already is left as it is.

    Raises:
        StandaloneError: It cannot; what was started is stopped again.
        KeyboardInterrupt: The user does not want it any more; the same.
    """
    with StateFolder.prepared(wishes.state) as folder:
        supervisor = running_supervisor(folder)
        was_running = supervisor is not None
        if supervisor is not None:
            _refuse_another_place(folder.load(), wishes)
            choices.refuse_other(wishes.environment, folder.load())
            _start(gather(folder, wishes, is_running=True), supervisor, wishes, report)
        else:
            supervisor = _start_anew(folder, wishes, report, interruption)
    return Run(
        folder=folder,
        connection=ConnectionFile.load(folder.path),
        supervisor=supervisor,
        was_running=was_running,
    )


def _refuse_another_place(running: Installation, wishes: Wishes) -> None:
    if wishes.host is not None and running.host not in {None, wishes.host}:
        raise HostError(
            f"Slipway is running already, on {running.host}.",
            remedy=f"`slipway down`, then `slipway up --host {wishes.host}`.",
        )
    for name, port in wishes.ports.items():
        if running.ports.get(name) != port:
            raise PortError(
                f"Slipway is running already, with port {running.ports.get(name)} for {name}.",
                remedy="`slipway down`, then `slipway up` with the port you want.",
            )


def _start_anew(
    folder: StateFolder, wishes: Wishes, report: Report, interruption: Interruption
) -> Supervisor:
    folder.check_space()
    if former.was_cut_off(folder.records):
        report.tell("The last run was cut off, without `slipway down`; what it had comes back.")
    for process in former.end_all(folder.records):
        report.tell(f"Ended {process.name} (pid {process.pid}), left behind by an earlier run.")
    try:
        return _start_once(folder, wishes, report, interruption)
    except PortLostError as error:
        report.tell(f"{error.fact} Its port was taken meanwhile; starting again with another.")
        return _start_once(folder, wishes, report, interruption)


def _start_once(
    folder: StateFolder, wishes: Wishes, report: Report, interruption: Interruption
) -> Supervisor:
    supervisor = None
    try:
        with report.step("planned"):
            gathered = gather(folder, wishes, is_running=False)
        with report.step("supervisor answers"):
            write_plan(gathered)
            former.begin(folder.records)
            supervisor = launch(gathered, detach=wishes.detach)
        _start(gathered, supervisor, wishes, report)
        interruption.check()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            interruption.ignore()
        stop(folder, supervisor, report)
        raise
    return supervisor


def _start(gathered: Site, supervisor: Supervisor, wishes: Wishes, report: Report) -> None:
    start = Start(
        site=gathered, supervisor=supervisor, report=report, longest_minutes=wishes.patience_minutes
    )
    asyncio.run(_programs(start, only_servers=wishes.only_servers))


async def _programs(start: Start, *, only_servers: bool) -> None:
    if await start.is_done(only_servers=only_servers):
        return
    await start.servers()
    if not only_servers:
        await start.services()
