"""Refused requests on their way into the log: beside the requests, bounded, like ones told together.

The first of like requests is told at once, the others as one number when their time is over. What is too many
for that is counted, and the next message says how many were left out.
"""

import asyncio
import math
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import prometheus_client
from slipway_chassis.errors import LogFullError, LogUnavailableError, SlipwayError
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.logs import get_logger
from slipway_chassis.metrics import Metrics
from slipway_chassis.telemetry import current_traceparent
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, Origin, new_id, now
from slipway_contracts.installation_events import RequestRefused

from slipway_api.names import SOURCE

KINDS_OF_ONE: Final = 30
"""Kinds of refused requests that one user may have told at a time; those who name none count as one."""
KINDS: Final = 300
_MOST_PENDING: Final = 1000
_PAUSE_SECONDS: Final = 1.0
_log: Final = get_logger()


class _Kind(NamedTuple):
    """What like requests have in common."""

    user: str | None
    address: str | None
    method: str
    route: str
    reason: str
    group: str | None
    deployment: str | None


class _Refusal(NamedTuple):
    """One refused request."""

    refused: RequestRefused
    origin: Origin
    at: datetime
    traceparent: str | None


@dataclass(kw_only=True)
class _Window:
    """The time in which like requests are only counted.

    Attributes:
        ends: by the clock of the event loop.
        last: the newest of them.
        more: how many there were behind the first.
    """

    ends: float
    last: _Refusal
    more: int = 0


class RefusedRequests:
    """Tells the log of refused requests.

    Args:
        log: where it is told.
        within: the time in which like ones are told together.
        metrics: where those are counted that are not told.
    """

    def __init__(self, *, log: EventLog, within: timedelta, metrics: Metrics) -> None:
        self._log = log
        self._within = within.total_seconds()
        self._untold = prometheus_client.Counter(
            "slipway_refused_requests_untold",
            "Refused requests of which the log has nothing but their number.",
            registry=metrics.registry,
        )
        self._windows: dict[_Kind, _Window] = {}
        self._kinds_of: Counter[str | None] = Counter()
        self._pending: deque[tuple[_Refusal, int]] = deque()
        self._left_out = 0
        self._stirred = asyncio.Event()
        self._closing = False

    def tell(self, refused: RequestRefused, origin: Origin) -> None:
        """Take note of a refused request; returns at once, whatever the log does."""
        kind = _kind(refused, origin)
        refusal = _Refusal(refused, origin, now(), current_traceparent())
        known = self._windows.get(kind)
        if known is not None:
            known.last, known.more = refusal, known.more + 1
        elif len(self._windows) < KINDS and self._kinds_of[origin.user] < KINDS_OF_ONE:
            ends = asyncio.get_running_loop().time() + self._within
            self._windows[kind] = _Window(ends=ends, last=refusal)
            self._kinds_of[origin.user] += 1
            self._push(refusal, 1)
            self._stirred.set()
        else:
            self._leave_out(1)

    def close(self) -> None:
        """Let `run` tell what is left, and return."""
        self._closing = True
        self._stirred.set()

    async def run(self) -> None:
        """Publish what is told, in its order, until `close`."""
        while not self._closing:
            await self._publish_pending()
            await self._until_stirred()
            self._end_windows(asyncio.get_running_loop().time())
        self._end_windows(math.inf)
        await self._publish_pending()

    async def _until_stirred(self) -> None:
        """Wait for something new, or for the end of the oldest window."""
        oldest = next(iter(self._windows.values()), None)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(oldest.ends if oldest else None):
                await self._stirred.wait()
        self._stirred.clear()

    def _end_windows(self, present: float) -> None:
        # All windows are equally long, so they end in the order in which they began.
        while self._windows:
            kind, window = next(iter(self._windows.items()))
            if window.ends > present:
                return
            del self._windows[kind]
            self._kinds_of[kind.user] -= 1
            if not self._kinds_of[kind.user]:
                del self._kinds_of[kind.user]
            if window.more:
                self._push(window.last, window.more)

    def _push(self, refusal: _Refusal, count: int) -> None:
        if len(self._pending) < _MOST_PENDING:
            self._pending.append((refusal, count))
        else:
            self._leave_out(count)

    def _leave_out(self, requests: int) -> None:
        self._left_out += requests
        self._untold.inc(requests)

    async def _publish_pending(self) -> None:
        while self._pending:
            refusal, count = self._pending.popleft()
            left_out = self._left_out
            if await self._published(_outgoing(refusal, count=count, untold=left_out)):
                self._left_out -= left_out
            else:
                self._leave_out(count)

    async def _published(self, outgoing: Outgoing) -> bool:
        """Publish, for as long as it takes unless this process is to end; False: it is not to be had."""
        while True:
            try:
                await self._log.publish(outgoing)
            except (LogUnavailableError, LogFullError) as error:
                if not self._closing:
                    await asyncio.sleep(_PAUSE_SECONDS)
                    continue
                problem: SlipwayError = error
            except SlipwayError as error:
                problem = error
            else:
                return True
            _log.warning("a refused request is not told", because=str(problem))
            return False


def _kind(refused: RequestRefused, origin: Origin) -> _Kind:
    return _Kind(
        user=origin.user,
        address=origin.address,
        method=refused.method,
        route=refused.route,
        reason=refused.reason,
        group=refused.group,
        deployment=refused.deployment,
    )


def _outgoing(refusal: _Refusal, *, count: int, untold: int) -> Outgoing:
    refused = refusal.refused.model_copy(update={"count": count, "untold": untold})
    identifier = new_id()
    about = "/".join(part for part in (refused.group, refused.deployment) if part)
    envelope = Envelope(
        id=identifier,
        type=refused.type,
        source=SOURCE,
        subject=about or refused.route,
        time=refusal.at,
        correlation_id=identifier,
        traceparent=refusal.traceparent,
        origin=refusal.origin,
    )
    return Outgoing(subject=subjects.of(refused), message=refused, envelope=envelope)
