"""Ends what waits for a command that the builder gives up, and says so in the log."""

from contextlib import suppress
from dataclasses import dataclass

from slipway_chassis.broker import DeadMessage
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_contracts.envelope import TYPE_PREFIX, Envelope, MalformedEnvelopeError, now
from slipway_contracts.events import MessageDead
from slipway_contracts.names import derived_id
from slipway_contracts.subjects import of, owner_of

from slipway_builder.endings import failed, not_canceled
from slipway_builder.failures import undeliverable
from slipway_builder.journal import SOURCE, BuildEndedError, BuildJournal


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
        if not dead.stored.subject.endswith(".remove"):
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


def _announcement(dead: DeadMessage) -> Outgoing:
    group, deployment = owner_of(dead.stored.subject)
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
