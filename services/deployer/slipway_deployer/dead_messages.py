"""Ends the operation of a message that no delivery could bring to an end."""

from collections.abc import Sequence

from slipway_chassis.broker import DeadMessage
from slipway_chassis.errors import ConflictError, DuplicateError
from slipway_chassis.event_log import EventLog, Expect, Outgoing, Stored
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, MalformedEnvelopeError, now
from slipway_contracts.events import MessageDead, OperationEvent, OperationFailed
from slipway_contracts.names import derived_id, is_id

from slipway_deployer.commands import refusals
from slipway_deployer.source import SOURCE

_log = get_logger()


class DeadMessages:
    """Writes `message.dead`, and for a command also the end of its operation, in one batch."""

    def __init__(self, *, log: EventLog) -> None:
        self._event_log = log

    async def bury(self, dead: DeadMessage) -> None:
        """Say that this message is given up; saying it again changes nothing.

        A command whose operation is ended here has no effect later either: the batch is stored only while it
        is not decided, and whoever decides then passes over what was given up.
        """
        while True:
            try:
                await self._event_log.publish_batch([_announcement(dead), *await self._ending(dead)])
            except ConflictError:
                continue
            except DuplicateError:
                _log.info("message.buried_before", sequence=dead.stored.sequence)
            return

    async def _ending(self, dead: DeadMessage) -> Sequence[Outgoing]:
        """Return the end of a command that has no outcome, and will get none from the release it made."""
        group, deployment = owner = subjects.dead_owner_of(dead.stored.subject)
        if ".cmd." not in dead.stored.subject or owner != subjects.owner_of(dead.stored.subject):
            return ()
        record = await self._event_log.last(subjects.desired(group, deployment))
        if record is not None and await self._is_decided(dead, record):
            return ()
        failure = refusals.dead(dead.error, dead.deliveries, dead.stored.sequence, at=now())
        end = OperationFailed(group=group, deployment=deployment, operation=_operation(dead), failure=failure)
        undecided = Expect(
            sequence=record.sequence if record else 0, subject=subjects.desired(group, deployment)
        )
        return (_outgoing(dead, end, undecided),)

    async def _is_decided(self, dead: DeadMessage, record: Stored) -> bool:
        """Say whether the command behind a dead message has its outcome, as of this desired record.

        Where the record is of a newer release, the log says it too: whatever is decided begins or ends the
        operation.
        """
        desired = record.readable
        if isinstance(desired, Desired):
            return desired.position >= dead.stored.sequence
        group, deployment = subjects.owner_of(dead.stored.subject)
        events = subjects.operation_events(group, deployment)
        told = [each.readable async for each in self._event_log.read(events, after=dead.stored.sequence)]
        return _operation(dead) in [each.operation for each in told if isinstance(each, OperationEvent)]


def _announcement(dead: DeadMessage) -> Outgoing:
    group, deployment = subjects.dead_owner_of(dead.stored.subject)
    identifier, kind = _identity(dead)
    message = MessageDead(
        group=group,
        deployment=deployment,
        service="deployer",
        sequence=dead.stored.sequence,
        message_id=identifier,
        message_type=kind,
        deliveries=dead.deliveries,
        error=dead.error,
    )
    return _outgoing(dead, message)


def _identity(dead: DeadMessage) -> tuple[str, str]:
    try:
        return dead.stored.envelope.id, dead.stored.envelope.type
    except MalformedEnvelopeError:
        return derived_id("sequence", dead.stored.sequence), "unknown"


def _operation(dead: DeadMessage) -> str:
    """Return the operation of a command: its id, where that can be one."""
    identifier, _ = _identity(dead)
    return identifier if is_id(identifier) else derived_id("sequence", dead.stored.sequence)


def _outgoing(
    dead: DeadMessage, message: MessageDead | OperationFailed, expect: Expect | None = None
) -> Outgoing:
    identifier, _ = _identity(dead)
    envelope = Envelope(
        id=derived_id("dead", "deployer", dead.stored.sequence, message.type),
        type=message.type,
        source=SOURCE,
        subject=f"{message.group}/{message.deployment}",
        time=now(),
        causation_id=identifier,
        correlation_id=dead.stored.headers.get("ce-correlationid", identifier),
    )
    return Outgoing(subject=subjects.of(message), message=message, envelope=envelope, expect=expect)
