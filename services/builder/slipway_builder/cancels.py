"""Ends builds at their users' word: whichever builder gets the command decides, all of them hear of it."""

from contextlib import aclosing
from dataclasses import dataclass

from slipway_chassis.event_log import EventLog, New
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.commands import CancelBuild
from slipway_contracts.events import BuildCanceled

from slipway_builder.journal.build_journal import BuildEndedError, BuildJournal
from slipway_builder.journal.endings import canceled, not_canceled
from slipway_builder.journal.failures import not_cancelable
from slipway_builder.making.running_builds import RunningBuilds


@dataclass(frozen=True, kw_only=True)
class Cancels:
    """Decides cancels, and ends the work of this process that was canceled anywhere."""

    log: EventLog
    running: RunningBuilds

    async def cancel(self, command: CancelBuild, asked: Stored) -> None:
        """End the build CANCELED, or the cancel FAILED when there is nothing left to cancel."""
        operation = asked.envelope.id
        began = await self._asked_at(command)
        owner = command.group, command.deployment
        journal = BuildJournal(self.log, asked, build=command.build, since=began or asked.sequence)
        try:
            if began is None:
                failure = not_cancelable(command.build, "was never asked for")
                await journal.tell(not_canceled(owner, operation, failure))
            else:
                await journal.append(*canceled(command, operation))
        except BuildEndedError as ended:
            if ended.record.ended_by != operation:
                failure = not_cancelable(command.build, f"has ended: {ended.record.state}")
                await journal.tell(not_canceled(owner, operation, failure))
        self.running.stop(command.build)

    async def watch(self) -> None:
        """End work as soon as any builder has written that its build is canceled; runs until cancelled."""
        async with aclosing(self.log.follow(subjects.ALL_BUILD_CANCELS, start=New())) as items:
            async for item in items:
                message = item.readable if isinstance(item, Stored) else None
                if isinstance(message, BuildCanceled):
                    self.running.stop(message.build)

    async def _asked_at(self, command: CancelBuild) -> int | None:
        """Return where the build was asked for; the newest is looked at first, for people cancel that."""
        subject = subjects.build_commands(command.group, command.deployment)
        last = await self.log.last(subject)
        if last is None or _id_of(last) == command.build:
            return last.sequence if last is not None else None
        async for stored in self.log.read(subject, after=0):
            if _id_of(stored) == command.build:
                return stored.sequence
        return None


def _id_of(stored: Stored) -> str | None:
    """Return the id alone: of a command whose envelope is not usable otherwise too."""
    return stored.headers.get("ce-id")
