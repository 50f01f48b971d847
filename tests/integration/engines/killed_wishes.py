"""Tells an engine a wish from a process of its own, which may be killed at any step of it."""

import asyncio
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

from slipway_contracts.workload import Workload
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.select import make_engine
from slipway_engines.supervisor.settings import SupervisorSettings

STEPS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.chmod", "fcntl.flock", "socket.connect"})
"""What can be seen of a process from outside: its files, and whom it asks."""

_NOT_TAKEN = 3
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


async def wish(
    settings: SupervisorSettings, verb: str, workload: Workload, *, die_at: int | None = None
) -> bool:
    """Tell a wish; say whether it was taken. With `die_at` the process kills itself before that step."""
    process = _context.Process(target=_tell, args=(settings, verb, workload, die_at))
    await asyncio.to_thread(process.start)
    await asyncio.to_thread(process.join)
    assert process.exitcode in {0, _NOT_TAKEN, -signal.SIGKILL}, process.exitcode
    return process.exitcode == 0


def _tell(settings: SupervisorSettings, verb: str, workload: Workload, die_at: int | None) -> None:
    engine = make_engine("supervisor", settings)

    async def tell() -> None:
        if die_at is not None:
            sys.addaudithook(_dying(die_at))
        if verb == "apply":
            await engine.apply(workload)
        else:
            await engine.remove(workload.ref)

    try:
        asyncio.run(tell())
    except EngineUnavailableError:
        os._exit(_NOT_TAKEN)


def _dying(die_at: int) -> Callable[[str, tuple[object, ...]], None]:
    left = die_at

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in STEPS or (event == "open" and str(arguments[0]).startswith("/proc")):
            return
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return count
