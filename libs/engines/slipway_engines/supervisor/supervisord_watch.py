"""Watches supervisord itself: whether it answers, and what it runs that has no files."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from slipway_engines.engine import TargetObserved, WorkloadUnknown
from slipway_engines.errors import EngineUnavailableError
from slipway_engines.supervisor.exit_watch import on_exit
from slipway_engines.supervisor.program_files import ProgramFiles
from slipway_engines.supervisor.rpc import Call, Fault, SupervisorClient

_ASK_AGAIN_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 1.0


class SupervisordWatch:
    """One supervisord; its end is seen at once, its silence within half a minute."""

    def __init__(
        self,
        *,
        supervisor: SupervisorClient,
        files: ProgramFiles,
        publish: Callable[[TargetObserved | WorkloadUnknown], None],
    ) -> None:
        self.reported = asyncio.Event()
        self._supervisor = supervisor
        self._files = files
        self._publish = publish
        self._reachable: bool | None = None
        self._unknown: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Report changes, for ever."""
        while True:
            try:
                pid, infos = await self._supervisor.calls([Call("getPID"), Call("getAllProcessInfo")])
            except EngineUnavailableError as error:
                self._report(reachable=False, detail=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            self._report(reachable=True, detail=None)
            self._report_unknown([] if isinstance(infos, Fault) else infos)
            await self._until_end(int(pid))

    async def _until_end(self, pid: int) -> None:
        ended = asyncio.Event()
        with on_exit(pid, None, ended.set), suppress(TimeoutError):
            async with asyncio.timeout(_ASK_AGAIN_SECONDS):
                await ended.wait()

    def _report(self, *, reachable: bool, detail: str | None) -> None:
        if reachable is not self._reachable:
            self._reachable = reachable
            self._publish(TargetObserved(reachable=reachable, at=datetime.now(UTC), detail=detail))
        self.reported.set()

    def _report_unknown(self, infos: list[dict[str, Any]]) -> None:
        names = {str(each["group"]) for each in infos}
        explained = {each.name for each in self._files.known()}
        unknown = frozenset(name for name in names - explained if self._files.carries_our_id(name))
        for name in sorted(unknown - self._unknown):
            detail = "supervisord runs this program, but the engine has no files that say what it is."
            self._publish(WorkloadUnknown(id=name, detail=detail, at=datetime.now(UTC)))
        self._unknown = unknown
