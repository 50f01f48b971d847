"""Ends what waits for a command that the builder gives up, and says so in the log."""

from contextlib import suppress
from dataclasses import dataclass

from slipway_chassis.broker import DeadMessage
from slipway_chassis.event_log import EventLog, Outgoing, Stored
from slipway_contracts.envelope import TYPE_PREFIX, Envelope, MalformedEnvelopeError, now
from slipway_contracts.events import MessageDead
from slipway_contracts.names import derived_id, is_id
from slipway_contracts.subjects import dead_owner_of, of, owner_of

from slipway_builder.journal.build_journal import SOURCE, BuildEndedError, BuildJournal
from slipway_builder.journal.endings import failed, not_canceled
from slipway_builder.journal.failures import undeliverable


@dataclass(frozen=True, kw_only=True)
class DeadCommands:
    """What the builder does with a command that it cannot handle."""

    log: EventLog

    async def give_up(self, dead: DeadMessage) -> None:
        """End the build or the cancel FAILED and publish `message.dead`; again changes nothing.

        Nobody waits for a removal: the command that wanted it has ended.

        The body may be what is wrong, so only subject and envelope are used; without an envelope nobody
        waits, for the operation's id is in it.
        """
        if not dead.stored.subject.endswith(".remove") and _is_somebodys(dead.stored):
            with suppress(MalformedEnvelopeError, BuildEndedError):
                await self._end(dead)
        await self.log.publish(_announcement(dead))

    async def _end(self, dead: DeadMessage) -> None:
        asked = dead.stored
        operation, owner = asked.envelope.id, owner_of(asked.subject)
        failure = undeliverable(dead.error, asked.sequence)
        journal = BuildJournal(self.log, asked, build=operation, since=asked.sequence)
        if asked.subject.endswith(".cancel"):
            await journal.tell(not_canceled(owner, operation, failure))
        else:
            await journal.append(*failed(owner, operation, failure))


def _is_somebodys(asked: Stored) -> bool:
    """Return whether anybody can wait for the end: who asked the api has names and an id."""
    is_named = dead_owner_of(asked.subject) == owner_of(asked.subject)
    return is_named and is_id(asked.headers.get("ce-id", ""))


def _announcement(dead: DeadMessage) -> Outgoing:
    group, deployment = dead_owner_of(dead.stored.subject)
    headers = dead.stored.headers
    message = MessageDead(
        group=group,
        deployment=deployment,
        service="builder",
        sequence=dead.stored.sequence,
        message_id=headers.get("ce-id", "unknown"),
        message_type=headers.get("ce-type", "unknown").removeprefix(TYPE_PREFIX),
        deliveries=dead.deliveries,
        error=dead.error,
    )
    envelope = Envelope(
        id=derived_id("dead", "builder", dead.stored.sequence),
        type=message.type,
        source=SOURCE,
        subject=f"{group}/{deployment}",
        time=now(),
        causation_id=headers.get("ce-id"),
        correlation_id=headers.get("ce-correlationid"),
    )
    return Outgoing(subject=of(message), message=message, envelope=envelope)
