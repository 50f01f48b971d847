"""Starts the programs of a plan under a running supervisord, each as soon as what it needs is there.

A program that ends while it should become ready is an error at once, with its last lines.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from slipway_standalone import credentials, errand, last_words, plan, readiness
from slipway_standalone.errors import PortLostError, StandaloneError, StartError
from slipway_standalone.patience import LONGEST_MINUTES, WITHOUT_NEWS_SECONDS, Patience
from slipway_standalone.plan import Program, Site
from slipway_standalone.readiness import Check
from slipway_standalone.report import Report
from slipway_standalone.supervision import Supervisor

_ASK_EVERY: Final = 0.03
_LOOK_EVERY: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start of everything, or of the servers only. Repeating it starts what does not run."""

    site: Site
    supervisor: Supervisor
    report: Report
    longest_minutes: float = LONGEST_MINUTES
    """How long one program may take while it moves on."""

    async def is_done(self, *, only_servers: bool) -> bool:
        """Whether everything runs and is ready, so that nothing is left to do."""
        programs = plan.servers(self.site) + (() if only_servers else plan.services(self.site))
        checks = [readiness.check_of(self.site.installation, program.name) for program in programs]
        return not any(await asyncio.gather(*(check() for check in checks)))

    async def servers(self) -> None:
        """Start the three servers at once; make streams and tables as soon as theirs answers.

        Raises:
            StartError: One of them, or the making, failed.
        """
        nats, postgres, envoy = plan.servers(self.site)
        async with self._watching((nats, postgres, envoy)) as tasks:
            tasks.create_task(self._program(nats))
            tasks.create_task(self._command("provision", "slipway_chassis.provision", self._provisioning()))
            tasks.create_task(self._database(postgres))
            tasks.create_task(self._program(envoy))

    async def services(self) -> None:
        """Start all services at once, make the admin key known, and wait until each is ready.

        Raises:
            StartError: One of them failed.
        """
        programs = plan.services(self.site)
        admin_key = plan.admin_key_environment(
            self.site, credentials.admin_key_digest(self.site.state.admin_key)
        )
        async with self._watching(programs) as tasks:
            tasks.create_task(self._command("admin key", "slipway_api.bootstrap", admin_key))
            for program in programs:
                tasks.create_task(self._program(program))

    async def _database(self, program: Program) -> None:
        with self.report.step("postgres prepared"):
            await asyncio.to_thread(self.site.postgres.prepare, self.site.credentials)
        await self._program(program)
        await self._command("migrate", "slipway_store.migrate", plan.migration_environment(self.site))

    async def _program(self, program: Program) -> None:
        with self.report.step(f"{program.name} ready"):
            await asyncio.to_thread(self.supervisor.start, program.full_name)
            await self._until_ready(program, readiness.check_of(self.site.installation, program.name))

    async def _until_ready(self, program: Program, check: Check) -> None:
        log = self.site.state.log(program.name)
        patience = Patience(now=time.monotonic(), longest=self.longest_minutes * 60)
        while reason := await check():
            if patience.hear(reason, now=time.monotonic()):
                self.report.tell(f"Waits for {program.name}: {reason}")
            if patience.is_over(time.monotonic()):
                raise StartError(
                    f"{program.name} is not ready, and said nothing new for "
                    f"{WITHOUT_NEWS_SECONDS:.0f} s: {reason}.",
                    remedy=f"Its log is {log}.",
                    log=last_words.of(log),
                )
            if patience.is_used_up(time.monotonic()):
                raise StartError(
                    f"{program.name} is not ready after {self.longest_minutes:g} min, "
                    f"although it says that it moves on: {reason}.",
                    remedy=f"Look into its log, {log}. If it only needs longer: `slipway up --patience` "
                    f"with more minutes than {self.longest_minutes:g}.",
                    log=last_words.of(log),
                )
            await asyncio.sleep(_ASK_EVERY)

    async def _command(self, name: str, module: str, environment: Mapping[str, str]) -> None:
        with self.report.step(name):
            await errand.run(
                name,
                module,
                environment=environment,
                folder=self.site.state.path,
                longest_seconds=max(self.longest_minutes * 60, WITHOUT_NEWS_SECONDS),
                tell=self.report.tell,
            )

    @asynccontextmanager
    async def _watching(self, programs: Iterable[Program]) -> AsyncIterator[asyncio.TaskGroup]:
        """Tasks that are given up as soon as one of the programs ends."""
        try:
            async with (
                asyncio.TaskGroup() as watched,
                _cancelled_at_end(watched, self._watch(programs)),
                asyncio.TaskGroup() as tasks,
            ):
                yield tasks
        except* (StandaloneError, OSError) as errors:
            raise _first(errors) from None

    async def _watch(self, programs: Iterable[Program]) -> None:
        """End with an error when a program ends; one that is back already shows by its new pid."""
        names = {program.full_name: program.name for program in programs}
        pids: dict[str, int] = {}
        while True:
            for process in await asyncio.to_thread(self.supervisor.processes):
                name = names.get(process.name)
                if name is None or process.state == "STOPPED":
                    continue
                if not process.is_up or pids.setdefault(name, process.pid) != process.pid:
                    raise self._ended(name)
            await asyncio.sleep(_LOOK_EVERY)

    def _ended(self, name: str) -> StartError:
        log = self.site.state.log(name)
        how = last_words.end_of(name, self.site.state.log("supervisord"))
        lines = last_words.of(log)
        kind = PortLostError if "address already in use" in "\n".join(lines).lower() else StartError
        return kind(
            f"{name} ended while it started{how}.",
            remedy=f"Its whole log is {log}.",
            log=lines,
        )

    def _provisioning(self) -> dict[str, str]:
        return plan.provisioner_environment(self.site)


@asynccontextmanager
async def _cancelled_at_end(
    group: asyncio.TaskGroup, work: Coroutine[None, None, None]
) -> AsyncIterator[None]:
    task = group.create_task(work)
    yield
    task.cancel()


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first
