"""Commands on their way into the log: never twice, never on an outdated decision.

A repeat of a request (same id) answers with the command that is there. What a request means is decided by
the caller, for the state of the lane it is given, and decided again when another command came first.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from slipway_chassis import errors
from slipway_chassis.event_log import EventLog, Expect, Outgoing, Receipt, Stored
from slipway_contracts import codec, subjects
from slipway_contracts.commands import Build, CancelBuild, Command
from slipway_contracts.envelope import now
from slipway_contracts.names import derived_id
from slipway_contracts.traffic import ReleaseRequest
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.queries import Reads
from slipway_store.rows import OperationRow

from slipway_api.answers import progress
from slipway_api.answers.plan_views import Plan
from slipway_api.answers.views import Accepted, Operation
from slipway_api.refusing import problems, refusals
from slipway_api.refusing.calling import spoken
from slipway_api.submitting.admission import Admission, Admitted
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import Lane, load_lane
from slipway_api.submitting.names import Names
from slipway_api.submitting.outgoing import outgoing_for
from slipway_api.submitting.plans import plan_of
from slipway_api.submitting.present import present
from slipway_api.submitting.standing import Standing

ATTEMPTS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a request means: commands in order, the last of them is the request's own.

    Attributes:
        claims: names in the group's URL paths that the deployment has from this command on.
        standing: where the deployment stands, with which the plan compares; None: it was not read.
        beside: what the log gets in the same batch.
        cause: id of the message that led to the request's own command.
    """

    commands: tuple[Command, ...]
    request: ReleaseRequest | None = None
    notices: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    standing: Standing | None = None
    beside: tuple[Outgoing, ...] = ()
    cause: str | None = None


Decide = Callable[[Lane], Awaitable[Decision]]


def build_id(ask: Ask) -> str:
    """Return the id of the build that a request for a deploy of a source brings along."""
    return derived_id(ask.id, "build")


class Submissions:
    """Publishes decided commands.

    Args:
        log: the log.
        reads: the projection, which remembers ids longer than the log's window of deduplication.
        admission: says whether there is room for what a command lets run.
    """

    def __init__(self, *, log: EventLog, reads: Reads, admission: Admission) -> None:
        self._log = log
        self._reads = reads
        self._admission = admission
        self._names = Names(log=log)

    async def to_deployer(self, ask: Ask, group: str, deployment: str, decide: Decide) -> Accepted | Plan:
        """Publish what `decide` returns for the lane as it is when the command enters it.

        Raises:
            ProblemError: of `decide`, of the admission, or NameTakenError, PreconditionFailedError,
                ChangedMeanwhileError, IdempotencyKeyReusedError, LogUnavailableError, StorageFullError.
        """
        may_be_repeat = ask.repeatable
        admitted = Admitted()
        for _ in range(ATTEMPTS):
            if may_be_repeat and (found := await self._recorded(ask, group, deployment)):
                self._admission.confirm(admitted, found.sequence)
                return found
            lane = await load_lane(self._log, group, deployment)
            try:
                refusals.require_etag(ask, lane)
                decision = await decide(lane)
                claims = await self._names.claims(ask, group, deployment, decision.claims)
                admitted = await self._admission.admit(
                    decision.commands[-1],
                    identifier=ask.id,
                    behind=lane.last,
                    standing=decision.standing,
                    keep=not ask.dry_run,
                )
            except problems.ProblemError:
                # The refusal may be the work of this very request, sent a moment ago.
                if ask.repeatable and (found := await self._recorded(ask, group, deployment)):
                    return found
                raise
            decision = replace(decision, notices=(*decision.notices, *admitted.notices))
            if ask.dry_run:
                return _plan(decision)
            expect = Expect(sequence=lane.last, subject=subjects.deployer_commands(group, deployment))
            try:
                return await self._publish_admitted(ask, decision, expect, claims, admitted)
            except (errors.ConflictError, errors.DuplicateError):
                may_be_repeat = True
        raise problems.ChangedMeanwhileError(
            f"Other commands for {spoken(group, deployment)} came first, {ATTEMPTS} times in a row.",
            hint="Look at what the others did, then try again.",
            attempts=ATTEMPTS,
        )

    async def to_builder(self, ask: Ask, command: Build | CancelBuild) -> Accepted | Plan:
        """Publish a command that depends on no other, unless an ETag says so.

        Raises:
            ProblemError: PreconditionFailedError, IdempotencyKeyReusedError, LogUnavailableError,
                StorageFullError.
        """
        if ask.dry_run:
            if ask.if_match is not None:
                refusals.require_etag(ask, await load_lane(self._log, command.group, command.deployment))
            return _plan(Decision(commands=(command,)))
        if ask.repeatable and (found := await self._older_repeat(ask)):
            return found
        lane = subjects.deployer_commands(command.group, command.deployment)
        expect = None if ask.if_match is None else Expect(sequence=ask.if_match, subject=lane)
        try:
            return await self._publish(ask, (command,), expect)
        except errors.ConflictError:
            refusals.require_etag(ask, await load_lane(self._log, command.group, command.deployment))
            raise

    async def _publish_admitted(
        self,
        ask: Ask,
        decision: Decision,
        expect: Expect,
        claims: Sequence[Outgoing],
        admitted: Admitted,
    ) -> Accepted:
        """Publish, and let the reservation follow: what is surely not in the log gives it back at once.

        Where the log may hold it, or this process ends meanwhile, the reservation stays as it is until a
        sweep asks the log.
        """
        try:
            others = [*claims, *decision.beside]
            accepted = await self._publish(ask, decision.commands, expect, others, decision.cause)
        except (errors.DuplicateError, errors.LogUnavailableError, problems.LogUnavailableError):
            raise
        except (errors.SlipwayError, problems.ProblemError):
            await self._admission.withdraw(admitted)
            raise
        self._admission.confirm(admitted, accepted.sequence)
        return accepted.model_copy(update={"notices": list(decision.notices)})

    async def _publish(
        self,
        ask: Ask,
        commands: tuple[Command, ...],
        expect: Expect | None,
        others: Sequence[Outgoing] = (),
        cause: str | None = None,
    ) -> Accepted:
        for command in commands:
            _require_readable(command)
        *before, last = commands
        at = now()
        batch = [
            *others,
            *(outgoing_for(ask, command, identifier=build_id(ask), at=at) for command in before),
        ]
        batch.append(outgoing_for(ask, last, cause=cause, at=at, expect=expect))
        try:
            receipt = await self._log.publish_batch(batch)
        except errors.LogUnavailableError as error:
            raise _outcome_unknown(ask, error) from error
        if receipt.duplicate:
            return await self._repeated(ask, receipt)
        operation = progress.accepted(last, identifier=ask.id, at=at)
        return _accepted(operation, receipt.sequence)

    async def _repeated(self, ask: Ask, receipt: Receipt) -> Accepted:
        stored = await self._log.get(receipt.sequence)
        if stored is None:
            raise _outcome_unknown(ask, None)
        return accepted_from_log(ask, stored)

    async def _recorded(self, ask: Ask, group: str, deployment: str) -> Accepted | None:
        """Find this command in the projection, else in the lane behind the projection."""
        try:
            checkpoint = await self._reads.checkpoint()
            if found := await self._projected(ask):
                return found
            after = checkpoint.sequence if checkpoint else 0
        except DatabaseUnavailableError:
            after = 0
        lane = subjects.deployer_commands(group, deployment)
        last = await self._log.last(lane)
        if last is None or last.sequence <= after:
            return None
        async with aclosing(present(self._log, lane, after=after)) as commands:
            async for stored in commands:
                if stored.headers.get("ce-id") == ask.id:
                    return accepted_from_log(ask, stored)
        return None

    async def _older_repeat(self, ask: Ask) -> Accepted | None:
        # Without Postgres the log's own window and the builder, which knows its builds by id, must do.
        try:
            return await self._projected(ask)
        except DatabaseUnavailableError:
            return None

    async def _projected(self, ask: Ask) -> Accepted | None:
        row = await self._reads.operation(ask.id)
        return None if row is None else _accepted_from_row(ask, row)


def _require_readable(command: Command) -> None:
    """Keep out of the log what none of its readers could take.

    Raises:
        InternalFailureError: the command breaks its own type.
    """
    try:
        codec.parse(command.type, codec.encode(command))
    except codec.UnknownMessageError as error:
        raise problems.InternalFailureError(
            f"The platform made a {command.type} that it could not read, so nothing was accepted.",
            hint="Give the request_id to the operator, who finds the cause in the log of the api.",
            type=command.type,
        ) from error


def _accepted(operation: Operation, sequence: int) -> Accepted:
    return Accepted(
        operation=operation, deployment=operation.deployment, build=operation.build, sequence=sequence
    )


def accepted_from_log(ask: Ask, stored: Stored) -> Accepted:
    """Return the answer to a repeat of the request whose command this is.

    Raises:
        ProblemError: IdempotencyKeyReusedError, or LogUnavailableError where it is no command.
    """
    command = stored.readable
    if not isinstance(command, Command):
        raise _outcome_unknown(ask, None)
    ask.check(command.request_digest)
    operation = progress.accepted(command, identifier=ask.id, at=stored.envelope.time)
    return _accepted(operation, stored.sequence)


def _accepted_from_row(ask: Ask, row: OperationRow) -> Accepted:
    ask.check(row.request_digest)
    return _accepted(progress.from_row(row), row.accepted)


def _plan(decision: Decision) -> Plan:
    desired = decision.standing.desired if decision.standing else None
    return plan_of(decision.commands, request=decision.request, notices=decision.notices, desired=desired)


def _outcome_unknown(ask: Ask, error: Exception | None) -> problems.LogUnavailableError:
    again = "Repeat the request with the same Idempotency-Key: it will not be done twice."
    look = (
        f"Look at GET /v1/operations/{ask.id} before you repeat; an Idempotency-Key makes repeats harmless."
    )
    return problems.LogUnavailableError(
        f"The log did not confirm the command, so it is not known whether it was accepted ({error}).",
        hint=again if ask.repeatable else look,
        operation=ask.id,
        outcome="unknown",
    )
