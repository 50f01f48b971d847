"""Ends the operation of a message that no delivery could bring to an end."""

from slipway_chassis.broker import DeadMessage
from slipway_chassis.errors import DuplicateError
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, MalformedEnvelopeError, now
from slipway_contracts.events import MessageDead, OperationFailed
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.names import derived_id

from slipway_deployer.source import SOURCE

_log = get_logger()


class DeadMessages:
    """Writes `message.dead`, and for a command also the end of its operation, in one batch."""

    def __init__(self, *, log: EventLog) -> None:
        self._event_log = log

    async def bury(self, dead: DeadMessage) -> None:
        """Say that this message is given up; saying it again changes nothing."""
        group, deployment = subjects.owner_of(dead.stored.subject)
        identifier, kind = _identity(dead)
        failure = FailureRecord(
            stage=Stage.COMMAND,
            reason=Reason.MESSAGE_DEAD,
            message=f"The deployer gave up after {dead.deliveries} deliveries: {dead.error}",
            hint="Read the deployer's log at that time, then send the command again.",
            at=now(),
        )
        messages: list[MessageDead | OperationFailed] = [
            MessageDead(
                group=group,
                deployment=deployment,
                service="deployer",
                sequence=dead.stored.sequence,
                message_id=identifier,
                message_type=kind,
                deliveries=dead.deliveries,
                error=dead.error,
            )
        ]
        if ".cmd." in dead.stored.subject and not await self._is_decided(group, deployment, dead):
            messages.append(
                OperationFailed(group=group, deployment=deployment, operation=identifier, failure=failure)
            )
        try:
            await self._event_log.publish_batch([_outgoing(each, dead.stored.sequence) for each in messages])
        except DuplicateError:
            _log.info("message.buried_before", sequence=dead.stored.sequence)

    async def _is_decided(self, group: str, deployment: str, dead: DeadMessage) -> bool:
        """Whether the command has its outcome, or will get it from the release it made."""
        stored = await self._event_log.last(subjects.desired(group, deployment))
        desired = stored.message if stored else None
        return isinstance(desired, Desired) and desired.position >= dead.stored.sequence


def _identity(dead: DeadMessage) -> tuple[str, str]:
    try:
        return dead.stored.envelope.id, dead.stored.envelope.type
    except MalformedEnvelopeError:
        return derived_id("sequence", dead.stored.sequence), "unknown"


def _outgoing(message: MessageDead | OperationFailed, sequence: int) -> Outgoing:
    envelope = Envelope(
        id=derived_id("dead", "deployer", sequence, message.type),
        type=message.type,
        source=SOURCE,
        subject=f"{message.group}/{message.deployment}",
        time=now(),
    )
    return Outgoing(subject=subjects.of(message), message=message, envelope=envelope)
