"""Messages that services gave up, from the log alone: what each is, and what became of it.

Reads the log only, so that a retry never rests on a projection that is behind.
"""

from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final

from pydantic import JsonValue
from pydantic_core import from_json
from slipway_chassis.event_log import EventLog, Stored
from slipway_contracts import subjects
from slipway_contracts.codec import UnknownMessageError
from slipway_contracts.commands import AnyDeployerCommand, Command, RemoveVersions
from slipway_contracts.envelope import MalformedEnvelopeError
from slipway_contracts.events import MessageDead, MessageDiscarded, MessageRetried, OperationFailed
from slipway_contracts.failure import Reason
from slipway_contracts.names import is_id
from slipway_store.dead_reads import DeadState

from slipway_api.answers.dead_views import DeadMessage, DeadMessageDetail
from slipway_api.refusing import dead_problems, problems
from slipway_api.refusing.calling import spoken
from slipway_api.submitting.present import present

_OF_ITS_REQUEST: Final = frozenset({"ce-clientaddress", "ce-useragent", "ce-requestid"})
"""Headers that only an admin may see."""


@dataclass(frozen=True, kw_only=True)
class Settled:
    """What became of a dead message, and where that is said."""

    stored: Stored
    message: MessageRetried | MessageDiscarded


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message that was given up.

    Attributes:
        stored: the message, as it lies in the log.
        said: where that is said.
        dead: what is said of it.
        settled: what became of it; None: nothing yet.
        failed: whether its operation ended because it was given up.
        last: sequence of the last thing that is said of any dead message of its deployment.
        overtaken_by: sequence of a newer command of its deployment; None: there is none.
    """

    stored: Stored
    said: Stored
    dead: MessageDead
    settled: Settled | None
    failed: bool
    last: int
    overtaken_by: int | None

    def command(self) -> Command:
        """Return what can be asked for anew.

        Raises:
            ProblemError: DeadMessageSettledError, DeadMessageNotRetriableError, DeadMessageUnreadableError,
                DeadMessageOvertakenError.
        """
        if self.settled is not None:
            raise settled(self)
        if ".cmd." not in self.stored.subject:
            raise _no_command(self)
        if problem := self.problem:
            raise _unreadable(self, problem)
        message = self.stored.readable
        if not isinstance(message, Command) or isinstance(message, RemoveVersions):
            raise _of_the_platform(self)
        if not self.failed:
            raise _not_failed(self)
        if isinstance(message, AnyDeployerCommand) and self.overtaken_by is not None:
            raise _overtaken(self, self.overtaken_by)
        return message

    @property
    def problem(self) -> str | None:
        """Why the message cannot be read; None: it can."""
        try:
            message: Any = self.stored.message
        except (UnknownMessageError, MalformedEnvelopeError) as error:
            return str(error)
        if (message.group, message.deployment) != subjects.owner_of(self.stored.subject):
            return f"the body speaks of {message.group}/{message.deployment}, its subject does not"
        if not is_id(self.dead.message_id):
            return f"its id {self.dead.message_id} is none that an operation can have"
        return None

    @property
    def view(self) -> DeadMessage:
        """The message as lists show it."""
        told = self.settled.message if self.settled else None
        return DeadMessage(
            **self.dead.model_dump(exclude={"type"}),
            at=self.said.envelope.time,
            state=_state(told),
            operation=told.operation if isinstance(told, MessageRetried) else None,
            settled_by=told.by if told else None,
            settled_at=self.settled.stored.envelope.time if self.settled else None,
        )

    @property
    def detail(self) -> DeadMessageDetail:
        """The message with all that lies in the log."""
        try:
            self.command()
        except problems.ProblemError as refusal:
            instead: str | None = refusal.hint
        else:
            instead = None
        shown = {name: text for name, text in self.stored.headers.items() if name not in _OF_ITS_REQUEST}
        return DeadMessageDetail(
            **self.view.model_dump(),
            subject=self.stored.subject,
            headers=shown,
            body=_body(self.stored.data),
            problem=self.problem,
            retriable=instead is None,
            instead=instead,
        )


async def load(log: EventLog, stored: Stored) -> DeadLetter:
    """Read what is said of a message of the log.

    Raises:
        DeadMessageNotFoundError: nobody gave it up.
    """
    group, deployment = subjects.dead_owner_of(stored.subject)
    said = await _said(log, stored)
    dead: tuple[Stored, MessageDead] | None = None
    became: Settled | None = None
    last = 0
    failed: set[str] = set()
    for each in said:
        last = each.sequence if ".evt.message." in each.subject else last
        match each.readable:
            case MessageDead(sequence=stored.sequence) as message:
                dead = dead or (each, message)
            case (
                MessageRetried(sequence=stored.sequence) | MessageDiscarded(sequence=stored.sequence)
            ) as it:
                became = became or Settled(stored=each, message=it)
            case OperationFailed(failure=failure) as end if failure.reason is Reason.MESSAGE_DEAD:
                failed.add(end.operation)
            case _:
                pass
    if dead is None:
        raise not_found(stored.sequence)
    newest = await log.last(subjects.deployer_commands(group, deployment))
    return DeadLetter(
        stored=stored,
        said=dead[0],
        dead=dead[1],
        settled=became,
        failed=dead[1].message_id in failed,
        last=last,
        overtaken_by=newest.sequence if newest and newest.sequence > stored.sequence else None,
    )


async def _said(log: EventLog, stored: Stored) -> list[Stored]:
    """Return what was said since of dead messages of its deployment, and of operations that failed."""
    owner = subjects.dead_owner_of(stored.subject)
    filters = subjects.message_events(*owner), subjects.failed_operations(*owner)
    async with aclosing(present(log, *filters, after=stored.sequence)) as said:
        return [each async for each in said]


def _state(told: MessageRetried | MessageDiscarded | None) -> DeadState:
    match told:
        case MessageRetried():
            return DeadState.RETRIED
        case MessageDiscarded():
            return DeadState.DISCARDED
        case None:
            return DeadState.OPEN


def _body(data: bytes) -> JsonValue:
    try:
        body: JsonValue = from_json(data, allow_inf_nan=False)
    except ValueError:
        return data.decode(errors="replace")
    return body


def not_found(sequence: int) -> dead_problems.DeadMessageNotFoundError:
    """Return the refusal of what names no dead message."""
    return dead_problems.DeadMessageNotFoundError(
        f"No message at sequence {sequence} of the log was given up.",
        hint="List those that were with GET /v1/dead.",
        sequence=sequence,
    )


def settled(letter: DeadLetter) -> dead_problems.DeadMessageSettledError:
    """Return the refusal to retry or discard what was retried or discarded."""
    view = letter.view
    retried = f"See what came of it with GET /v1/operations/{view.operation}."
    return dead_problems.DeadMessageSettledError(
        f"Message {view.sequence} was {view.state} by {view.settled_by} already.",
        hint=retried if view.operation else "There is nothing to do; the message stays in the log.",
        sequence=view.sequence,
        state=view.state,
        operation=view.operation,
    )


def _no_command(letter: DeadLetter) -> dead_problems.DeadMessageNotRetriableError:
    return dead_problems.DeadMessageNotRetriableError(
        f"Message {letter.dead.sequence} is a {letter.dead.message_type}, no command: nobody asked for it.",
        hint="Discard it: the deployer looks at its deployments again by itself, and what is so now is told "
        "again.",
        sequence=letter.dead.sequence,
        message_type=letter.dead.message_type,
    )


def _unreadable(letter: DeadLetter, problem: str) -> dead_problems.DeadMessageUnreadableError:
    return dead_problems.DeadMessageUnreadableError(
        f"Message {letter.dead.sequence} cannot be read: {problem}",
        hint="If a newer release of the platform sent it, upgrade the api, then retry; else ask for what was "
        "wanted anew, and discard it.",
        sequence=letter.dead.sequence,
        message_type=letter.dead.message_type,
    )


def _of_the_platform(letter: DeadLetter) -> dead_problems.DeadMessageNotRetriableError:
    return dead_problems.DeadMessageNotRetriableError(
        f"Message {letter.dead.sequence} is a {letter.dead.message_type}, which the platform sends itself.",
        hint="Discard it; images that it left behind go when the deployment is unloaded or purged.",
        sequence=letter.dead.sequence,
        message_type=letter.dead.message_type,
    )


def _not_failed(letter: DeadLetter) -> dead_problems.DeadMessageNotRetriableError:
    operation = letter.dead.message_id
    return dead_problems.DeadMessageNotRetriableError(
        f"Message {letter.dead.sequence} was given up, but what it asked for was decided all the same.",
        hint=f"See what came of it with GET /v1/operations/{operation}, then discard it.",
        sequence=letter.dead.sequence,
        operation=operation,
    )


def _overtaken(letter: DeadLetter, newer: int) -> dead_problems.DeadMessageOvertakenError:
    group, deployment = letter.dead.group, letter.dead.deployment
    return dead_problems.DeadMessageOvertakenError(
        f"{spoken(group, deployment)} has had a newer command, at sequence {newer}, "
        "which a retry would undo.",
        hint="Look at what the newer command did; if this is still wanted, ask for it anew, and discard it.",
        group=group,
        deployment=deployment,
        sequence=letter.dead.sequence,
        newer=newer,
    )
