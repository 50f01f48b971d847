"""Writes the plan into the state folder and starts the supervisor that will run it."""

import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Final

from slipway.connection import ConnectionFile
from slipway_gateway import bootstrap
from slipway_gateway.tracing import Tracing, TracingSettingError

from slipway_standalone import last_words, nats, plan, private_files, supervision
from slipway_standalone.errors import StartError, SupervisorUnreachableError, VariableError
from slipway_standalone.plan import Site
from slipway_standalone.running import identifier
from slipway_standalone.subscribers import Subscribers, users
from slipway_standalone.supervision import Supervisor

_DIE_WITH_PARENT: Final = "--die-with-parent"
_ANSWERS_WITHIN: Final = 15.0
_YIELDS_WITHIN: Final = 2.0
_LOOK_EVERY: Final = 0.01
_DISK_RESERVE: Final = 512 << 20
_LEAST_LOG_LIMIT: Final = 8 << 30
"""More than the topology's streams reserve, or the server refuses to create them."""


def write_plan(site: Site) -> None:
    """Write all files that the programs of a run read.

    Raises:
        OSError: The folder cannot be written.
    """
    state = site.state
    programs = (*plan.servers(site), *plan.services(site))
    for program in programs:
        private_files.write(state.specification(program.name), supervision.specification(program))
    store = state.path / "nats" / "store"
    private_files.write(
        state.nats_config,
        nats.configuration(
            port=site.installation.ports["nats"],
            passwords=site.credentials.nats,
            store="nats/store",
            limit_bytes=log_limit(store),
            others=users(Subscribers(state).all()),
        ),
    )
    bootstrap.prepare(
        state.path / "envoy",
        port=site.installation.ports["gateway"],
        host=site.host,
        admin=str(site.runtime.envoy_admin),
        tracing=_tracing(site),
    )
    private_files.write(
        state.supervisord_config,
        supervision.configuration(
            programs, identifier=identifier(site.installation), socket_path=site.runtime.supervisor
        ),
    )
    places = ConnectionFile(url=site.url, gateway_url=site.gateway_url, key_file=str(state.admin_key))
    private_files.write_json(state.connection, asdict(places))


def launch(site: Site, *, detach: bool) -> Supervisor:
    """Start the supervisor and wait until it answers; unless detached, it ends when this process does.

    Raises:
        StartError: It ended, or does not answer.
    """
    site.runtime.supervisor.unlink(missing_ok=True)
    log = site.state.log("supervisord-output")
    with open(log, "wb", opener=private_files.opener) as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "slipway_standalone.supervisord",
                *([] if detach else [_DIE_WITH_PARENT]),
            ],
            cwd=site.state.path,
            env=plan.passed_on(site.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            umask=0o077,
        )
    _yield_processor(process.pid)
    supervisor = Supervisor(site.runtime.supervisor)
    deadline = time.monotonic() + _ANSWERS_WITHIN
    while not _answers(supervisor):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise StartError(
                "The supervisor did not start.", remedy=f"Its output is {log}.", log=last_words.of(log)
            )
        time.sleep(_LOOK_EVERY)
    return supervisor


def _yield_processor(leader: int) -> None:
    """Let the whole session of this process yield to others, where Linux shares the processor by sessions."""
    autogroup = Path(f"/proc/{leader}/autogroup")
    deadline = time.monotonic() + _YIELDS_WITHIN
    while autogroup.exists():
        try:
            autogroup.write_text(str(plan.SESSION_NICENESS))
        except BlockingIOError:
            # Linux takes ten such changes a second from all ordinary users together.
            if time.monotonic() > deadline:
                return
            time.sleep(_LOOK_EVERY)
        except OSError:
            return
        else:
            return


def _tracing(site: Site) -> Tracing | None:
    try:
        return Tracing.from_environment(site.environment)
    except TracingSettingError as error:
        raise VariableError(f"{error}.", remedy="Change the variable, or unset it.") from error


def _answers(supervisor: Supervisor) -> bool:
    try:
        supervisor.identifier()
    except SupervisorUnreachableError:
        return False
    return True


def log_limit(store: Path) -> int:
    """How much the log may take: what it takes now and what is free, less a reserve.

    The server's own default ignores what the log takes already, so on a filling disk it refuses every write
    after a restart. Without a limit, a write on a full disk is never answered, not even when there is space
    again.
    """
    taken = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    disk = os.statvfs(store.parent)
    return max(taken + disk.f_bavail * disk.f_frsize - _DISK_RESERVE, _LEAST_LOG_LIMIT)
