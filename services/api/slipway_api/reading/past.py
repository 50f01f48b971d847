"""Deployments as they stood earlier: at a position of the log, or at a time.

Folds the log's messages again in memory; writes nothing, and knows of the present only where the log ends.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import EventLog
from slipway_contracts.lifecycle import DeploymentState
from slipway_store.queries import Reads
from slipway_store.recalled import RecalledRows
from slipway_store.rows import DeploymentDetail as DeploymentDetailRow
from slipway_store.rows import DeploymentRow

from slipway_api.answers.details import MOST_UNFINISHED, MOST_VERSIONS, Seen, detail
from slipway_api.answers.portrait import Addresses
from slipway_api.answers.views import DeploymentDetail
from slipway_api.reading.moments import in_utc
from slipway_api.reading.name_holders import NameHolders
from slipway_api.refusing import problems, refusals
from slipway_api.refusing.calling import spoken

_TOO_LONG: Final = len(str(2**63))
_AT_ONCE: Final = 2
"""Folding is work of this process: who asks for long histories waits for the others who do."""
_LONGEST_SECONDS: Final = 10.0
_AHEAD: Final = timedelta(seconds=1)
"""So far the client's clock may go before this one."""


class Past:
    """Answers of the past.

    Args:
        log: tells where the present is.
        reads: the projection, which keeps the log's messages.
        holders: know whose a name was.
        gateway_url: base of the endpoints' URLs.
        patience: longest wait for the projection.
    """

    def __init__(
        self, *, log: EventLog, reads: Reads, holders: NameHolders, gateway_url: str, patience: timedelta
    ) -> None:
        self._log = log
        self._holders = holders
        self._reads = reads
        self._gateway_url = gateway_url.rstrip("/")
        self._patience = patience
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def deployment(self, group: str, deployment: str, at: str, *, asked: str) -> DeploymentDetail:
        """Return what was to be said about a deployment at a sequence or a time of RFC 3339.

        It is the one that was called as `asked` then; where none was, `deployment`, which is called so now.
        What was overdue is judged by that time, or by that of the last message until then.

        Raises:
            InvalidRequestError: it is neither, or of the future.
            DeploymentNotFoundError: there was none then; it says when there was one.
            ProjectionBehindError: the projection does not reach it in time.
            LogUnavailableError: whose the name was cannot be found out.
        """
        moment = moment_of(at)
        former = await self._former(group, deployment, moment, asked)
        if former is not None:
            until = await self._position(group, former, moment)
            rows = await self._recalled(group, former, until)
            if rows.deployment is not None and rows.deployment.name == asked:
                return self._detail(rows, rows.deployment, moment, until)
        until = await self._position(group, deployment, moment)
        rows = await self._recalled(group, deployment, until)
        status = rows.deployment
        if status is None or status.state is DeploymentState.PURGED:
            raise await self._not_found(group, deployment, status, at)
        return self._detail(rows, status, moment, until)

    async def _former(self, group: str, deployment: str, moment: int | datetime, asked: str) -> str | None:
        """Return another deployment that may have had the name then."""
        try:
            former = await self._holders.id_then(group, asked, moment)
        except LogUnavailableError:
            if asked == deployment:
                return None
            raise
        return None if former == deployment else former

    def _detail(
        self, rows: RecalledRows, status: DeploymentRow, moment: int | datetime, until: int
    ) -> DeploymentDetail:
        now = moment if isinstance(moment, datetime) else _time_of(rows)
        addresses = Addresses(gateway=self._gateway_url, group=status.group, name=status.name or status.id)
        return detail(_seen(rows, status), addresses, now=now, as_of=until)

    async def _recalled(self, group: str, deployment: str, until: int) -> RecalledRows:
        try:
            async with asyncio.timeout(_LONGEST_SECONDS), self._turns:
                return await self._reads.recalled(group, deployment, until=until)
        except TimeoutError:
            raise problems.ProjectionBehindError(
                f"The past of {spoken(group, deployment)} could not be folded within {_LONGEST_SECONDS:g} s.",
                hint="Its history is long, or others ask too; read its events with GET /v1/events.",
            ) from None

    async def _position(self, group: str, deployment: str, moment: int | datetime) -> int:
        checkpoint = await self._reads.checkpoint()
        if isinstance(moment, datetime):
            if moment > datetime.now(UTC) + _AHEAD:
                raise _of_the_future(f"{moment.isoformat()} lies in the future.")
            if checkpoint is None or checkpoint.at is None or checkpoint.at < moment:
                await self._reach(await self._log.end())
            return await self._reads.position_at(group, deployment, moment)
        if checkpoint is None or checkpoint.sequence < moment:
            end = await self._log.end()
            if moment > end:
                raise _of_the_future(f"The log ends at {end}, before {moment}.", end=end)
            await self._reach(moment)
        return moment

    async def _reach(self, sequence: int) -> None:
        if not await self._reads.wait_for(sequence, self._patience):
            raise refusals.projection_behind(sequence, self._patience)

    async def _not_found(
        self, group: str, deployment: str, status: DeploymentRow | None, at: str
    ) -> problems.DeploymentNotFoundError:
        known = status or await self._reads.deployment(group, deployment)
        if known is None:
            return refusals.deployment_not_found(group, deployment, deleted=False)
        return _not_there(known, at, purged=status is not None)


def moment_of(at: str) -> int | datetime:
    """Read a position of the log or a time.

    Raises:
        InvalidRequestError: it is neither.
    """
    if at.isascii() and at.isdigit() and len(at) < _TOO_LONG:
        return int(at)
    try:
        # The + of an offset that was not encoded arrives as a blank.
        return in_utc(datetime.fromisoformat(at.replace(" ", "+") if "T" in at.upper() else at))
    except ValueError:
        raise problems.InvalidRequestError(
            f"{at!r} is neither a sequence nor a time.",
            hint="Give a sequence of the log, as 42, or a time of RFC 3339 with its offset, as "
            "2026-01-31T12:00:00Z; each event has both.",
            errors=[{"pointer": "at", "detail": "must be a sequence or a time with offset", "code": "at"}],
        ) from None


def _not_there(known: DeploymentDetailRow, at: str, *, purged: bool) -> problems.DeploymentNotFoundError:
    began = known.created_at.isoformat()
    return problems.DeploymentNotFoundError(
        f"At {at} the deployment {spoken(known.group, known.id)} "
        + ("had been purged." if purged else f"did not exist; it was created at {began}."),
        hint="Ask for a position or a time at which it was there; "
        f"GET /v1/events?group={known.group}&deployment={known.id} lists what happened to it.",
        group=known.group,
        deployment=known.id,
        deleted=purged,
        at=at,
        created_at=began,
    )


def _of_the_future(detail: str, **members: int) -> problems.InvalidRequestError:
    return problems.InvalidRequestError(
        detail,
        hint="Give a position or a time of the past, or leave out `at` for the present.",
        errors=[{"pointer": "at", "detail": "must not lie in the future", "code": "future"}],
        **members,
    )


def _time_of(rows: RecalledRows) -> datetime:
    return rows.last.time if rows.last else datetime.now(UTC)


def _seen(rows: RecalledRows, status: DeploymentRow) -> Seen:
    return Seen(
        status=status,
        facts=status.facts,
        newest=rows.newest,
        live=None if status.live_release is None else rows.release(status.live_release),
        replicas=rows.replicas_shown(),
        versions=rows.versions(most=MOST_VERSIONS),
        unfinished=rows.unfinished(most=MOST_UNFINISHED),
    )
