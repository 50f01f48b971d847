"""Runs builds: takes one, makes its version, writes its end; once, whoever else may try.

A failed build is an event, never an exception: what leaves `run` means "deliver the command again".
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_chassis.blobs import BlobStore
from slipway_chassis.errors import TransientError
from slipway_chassis.event_log import EventLog
from slipway_chassis.log_lines import LogLinePublisher
from slipway_chassis.logs import get_logger
from slipway_chassis.stored import Stored
from slipway_contracts.commands import Build
from slipway_contracts.envelope import now
from slipway_contracts.events import Event
from slipway_contracts.failure import FailureRecord
from slipway_contracts.subjects import build_log

from slipway_builder.images.image_blobs import first_missing
from slipway_builder.installing.dependencies import Installer
from slipway_builder.journal.build_journal import BuildEndedError, BuildJournal, BuildTakenOverError
from slipway_builder.journal.build_log import BuildLog
from slipway_builder.journal.build_record import BuildRecord
from slipway_builder.journal.endings import failed, succeeded
from slipway_builder.journal.failures import exhausted, failure_of, label_taken, overdue
from slipway_builder.journal.labels import Labels, free_label
from slipway_builder.journal.steps import Steps
from slipway_builder.making.running_builds import RunningBuilds
from slipway_builder.making.source_build import Draft, SourceBuild
from slipway_builder.making.work_folders import WorkFolders
from slipway_builder.source.source_archive import ArchiveLimits

MOST_RUNS: Final = 10
_log: Final = get_logger()


@dataclass(frozen=True, kw_only=True)
class Builds:
    """What all builds of this process share."""

    log: EventLog
    blobs: BlobStore
    installer: Installer
    limits: ArchiveLimits
    folders: WorkFolders
    labels: Labels
    running: RunningBuilds
    lines_to: Callable[[str], LogLinePublisher]

    async def run(self, command: Build, asked: Stored) -> None:
        """Bring the build to its end; a build that has ended is left as it is."""
        build = asked.envelope.id
        journal = self.journal(asked)
        try:
            await self._run(command, build, journal)
        except BuildEndedError as ended:
            _log.info("the build has ended already", build=build, state=ended.record.state)
        except BuildTakenOverError:
            # This delivery is answered when the build has ended, not before: an answer ends all deliveries.
            _log.warning("another builder took the build over", build=build)
            await journal.until_ended()

    def journal(self, asked: Stored) -> BuildJournal:
        """Return the journal of the build that this command asks for."""
        return BuildJournal(self.log, asked, build=asked.envelope.id, since=asked.sequence)

    async def _run(self, command: Build, build: str, journal: BuildJournal) -> None:
        refusal = _refusal(command, await journal.load())
        if refusal is not None:
            return await journal.append(*failed((command.group, command.deployment), build, refusal))
        await journal.begin(command)
        began = time.monotonic()
        outcome = await self._outcome(command, build, journal)
        if outcome is None:
            _log.info("the build was canceled", build=build)
            return None
        if isinstance(outcome, FailureRecord):
            return await journal.append(*failed((command.group, command.deployment), build, outcome))
        seconds = round(time.monotonic() - began, 4)
        return await journal.write(lambda _: self._named(command, build, outcome, seconds))

    async def _outcome(
        self, command: Build, build: str, journal: BuildJournal
    ) -> Draft | FailureRecord | None:
        lines = BuildLog(self.lines_to(build_log(command.group, command.deployment, build)))
        left = (command.deadline_at - now()).total_seconds()
        deadline = asyncio.timeout(left)
        async with lines.flowing():
            try:
                async with self.folders.folder() as folder, deadline:
                    work = self._work(command, build, folder, journal, lines)
                    return await self.running.run(build, work.run())
            except Exception as error:
                failure = overdue() if deadline.expired() else failure_of(error, log_tail=lines.tail)
                if failure is None:
                    raise
                lines.line(f"failed: {failure.message}")
                return failure

    def _work(
        self, command: Build, build: str, folder: Path, journal: BuildJournal, lines: BuildLog
    ) -> SourceBuild:
        steps = Steps(
            group=command.group,
            deployment=command.deployment,
            build=build,
            publish=journal.append,
            line=lines.line,
        )
        return SourceBuild(
            source=command.source,
            folder=folder,
            blobs=self.blobs,
            installer=self.installer,
            limits=self.limits,
            steps=steps,
        )

    async def _named(self, command: Build, build: str, draft: Draft, seconds: float) -> Sequence[Event]:
        """Decide the end of the build, all of whose blobs are there and stay from now on."""
        missing = await first_missing(self.blobs, (endpoint.image for endpoint in draft.endpoints))
        if missing is not None:
            raise TransientError(f"{missing} was removed while the build relied on it; it is built again")
        taken = await self.labels.taken(command.group, command.deployment)
        taken |= {endpoint.name for endpoint in draft.endpoints}
        label = command.label or free_label(taken, now())
        if label in taken:
            return failed((command.group, command.deployment), build, label_taken(label))
        return succeeded(draft.named(command, build=build, label=label), seconds)


def _refusal(command: Build, record: BuildRecord) -> FailureRecord | None:
    if record.ended:
        return None
    if command.deadline_at <= now():
        return overdue()
    return exhausted(record.runs) if record.runs >= MOST_RUNS else None
