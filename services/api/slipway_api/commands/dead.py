"""What users do about messages that services gave up: ask for the same anew, or discard it."""

from contextlib import suppress
from datetime import timedelta
from typing import Final

from slipway_chassis import errors
from slipway_chassis.event_log import EventLog, Expect, Outgoing, Stored
from slipway_contracts import subjects
from slipway_contracts.commands import Build, Command, Configure, Deploy, ReleaseCommand
from slipway_contracts.envelope import now
from slipway_contracts.events import MessageDiscarded, MessageRetried
from slipway_contracts.names import derived_id
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads

from slipway_api.answers.dead_views import DeadMessage, DeadMessageDetail
from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted
from slipway_api.identity.access import Principal, Role
from slipway_api.reading import dead_messages
from slipway_api.reading.dead_messages import DeadLetter
from slipway_api.refusing import problems
from slipway_api.refusing.dead_problems import DeadMessageSettledError
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane
from slipway_api.submitting.origins import note_owner
from slipway_api.submitting.outgoing import outgoing_for
from slipway_api.submitting.submissions import ATTEMPTS, Decision, Submissions, accepted_from_log

_PATIENCE: Final = timedelta(seconds=2)


class DeadMessageCommands:
    """Shows, retries and discards what was given up.

    Args:
        submissions: publishes.
        log: the log.
        reads: the projection.
        build_timeout: from the acceptance of a build to its deadline.
    """

    def __init__(
        self, *, submissions: Submissions, log: EventLog, reads: Reads, build_timeout: timedelta
    ) -> None:
        self._submissions = submissions
        self._log = log
        self._reads = reads
        self._build_timeout = build_timeout

    async def show(self, caller: Principal, sequence: int) -> DeadMessageDetail:
        """Return a message that was given up, as it lies in the log.

        Raises:
            DeadMessageNotFoundError: nobody gave up what is there.
            RoleMissingError: it belongs to a group in which the caller has no role.
        """
        stored = await self._stored(caller, Role.VIEWER, sequence)
        return (await dead_messages.load(self._log, stored)).detail

    async def retry(self, ask: Ask, sequence: int) -> Accepted | Plan:
        """Ask anew for what a dead command asked for, as a command of its own.

        A command of the deployer is the newest of its deployment, or it is refused; those of the builder
        depend on no other.

        Raises:
            ProblemError: of `DeadLetter.command`, of the admission, and those of every command.
        """
        stored = await self._stored(ask.caller, Role.DEPLOYER, sequence)
        group, deployment = subjects.dead_owner_of(stored.subject)

        async def decide(_: Lane) -> Decision:
            return self._decision(ask, await dead_messages.load(self._log, stored))

        try:
            return await self._submissions.to_deployer(ask, group, deployment, decide)
        except DeadMessageSettledError:
            if found := await self._repeat(ask, stored):
                return found
            raise

    async def discard(self, ask: Ask, sequence: int) -> DeadMessage:
        """Say that a dead message needs no attention any more.

        Raises:
            DeadMessageNotFoundError: nobody gave up what is there.
            DeadMessageSettledError: it was retried or discarded.
            ChangedMeanwhileError: others were faster, each time.
        """
        stored = await self._stored(ask.caller, Role.DEPLOYER, sequence)
        for _ in range(ATTEMPTS):
            letter = await dead_messages.load(self._log, stored)
            if letter.settled is not None:
                if letter.settled.stored.envelope.id == ask.id:
                    return letter.view
                raise dead_messages.settled(letter)
            try:
                receipt = await self._log.publish(_discarded(ask, letter))
            except errors.ConflictError:
                continue
            # So that whoever lists next finds it settled; the log has it in any case.
            with suppress(DatabaseUnavailableError):
                await self._reads.wait_for(receipt.sequence, _PATIENCE)
            return (await dead_messages.load(self._log, stored)).view
        raise problems.ChangedMeanwhileError(
            f"Other dead messages of the deployment were settled first, {ATTEMPTS} times in a row.",
            hint="Look at the message again, then repeat the request.",
            attempts=ATTEMPTS,
        )

    async def _stored(self, caller: Principal, role: Role, sequence: int) -> Stored:
        stored = await self._log.get(sequence)
        if stored is None:
            raise dead_messages.not_found(sequence)
        group, deployment = subjects.dead_owner_of(stored.subject)
        note_owner(group, deployment)
        if caller.role_in(group) is None:
            raise dead_messages.not_found(sequence)
        caller.require(role, group)
        return stored

    def _decision(self, ask: Ask, letter: DeadLetter) -> Decision:
        command = self._renewed(ask, letter.command())
        return Decision(
            commands=(command,),
            request=command.request if isinstance(command, ReleaseCommand) else None,
            claims=_names(command),
            beside=(_retried(ask, letter),),
            cause=letter.dead.message_id,
        )

    def _renewed(self, ask: Ask, command: Command) -> Command:
        changes: dict[str, object] = {"by": ask.caller.user, "request_digest": ask.digest}
        if isinstance(command, Build):
            changes["deadline_at"] = now() + self._build_timeout
        return command.model_copy(update=changes)

    async def _repeat(self, ask: Ask, stored: Stored) -> Accepted | None:
        """Return the answer to a request that was carried out before; its command lies right behind."""
        letter = await dead_messages.load(self._log, stored)
        became = letter.settled
        if became is None or not isinstance(became.message, MessageRetried):
            return None
        if became.message.operation != ask.id:
            return None
        command = await self._log.get(became.stored.sequence + 1)
        if command is None or command.envelope.id != ask.id:
            return None
        return accepted_from_log(ask, command)


def _names(command: Command) -> tuple[str, ...]:
    """Return the names that the command gives its deployment: others may have taken them meanwhile."""
    match command:
        case Deploy(settings=settings) if settings is not None:
            return tuple(dict.fromkeys((command.deployment, settings.name or command.deployment)))
        case Configure(settings=settings) if settings.name not in {None, command.deployment}:
            return (settings.name,) if settings.name else ()
        case _:
            return ()


def _retried(ask: Ask, letter: DeadLetter) -> Outgoing:
    message = MessageRetried(
        group=letter.dead.group,
        deployment=letter.dead.deployment,
        sequence=letter.dead.sequence,
        operation=ask.id,
        by=ask.caller.user,
    )
    return _outgoing(ask, letter, message, derived_id(ask.id, message.type))


def _discarded(ask: Ask, letter: DeadLetter) -> Outgoing:
    message = MessageDiscarded(
        group=letter.dead.group,
        deployment=letter.dead.deployment,
        sequence=letter.dead.sequence,
        by=ask.caller.user,
    )
    return _outgoing(ask, letter, message, ask.id)


def _outgoing(
    ask: Ask, letter: DeadLetter, message: MessageRetried | MessageDiscarded, identifier: str
) -> Outgoing:
    """Return it so that of several who settle the message one comes first."""
    guard = subjects.message_events(message.group, message.deployment)
    expect = Expect(sequence=letter.last, subject=guard)
    return outgoing_for(ask, message, identifier=identifier, cause=letter.dead.message_id, expect=expect)
