"""Refused requests on their way into the log: beside the requests, bounded, like ones told together.

Which are told, and which only counted, is decided in `refused_windows`.
"""

import asyncio
import math
from collections import deque
from contextlib import suppress
from datetime import timedelta
from typing import Final

import prometheus_client
from slipway_chassis.errors import LogFullError, LogUnavailableError, SlipwayError
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.logs import get_logger
from slipway_chassis.metrics import Metrics
from slipway_chassis.telemetry import current_traceparent
from slipway_contracts.envelope import Origin, new_id, now
from slipway_contracts.installation_events import RequestRefused

from slipway_api.audit.refused_windows import Refusal, Telling, Windows
from slipway_api.submitting.outgoing import outgoing

_PAUSE_SECONDS: Final = 1.0
_log: Final = get_logger()


class RefusedRequests:
    """Tells the log of refused requests.

    Args:
        log: where it is told.
        within: the time in which like ones are told together.
        metrics: where those are counted of which the log has no more than their number.
    """

    def __init__(self, *, log: EventLog, within: timedelta, metrics: Metrics) -> None:
        self._log = log
        self._untold = prometheus_client.Counter(
            "slipway_refused_requests_untold",
            "Refused requests of which the log has nothing but their number.",
            registry=metrics.registry,
        )
        self._windows = Windows(within=within.total_seconds())
        # Bounded by the windows: none ends, and so none begins anew, while something waits for the log.
        self._pending: deque[Telling] = deque()
        self._left_out = 0
        self._stirred = asyncio.Event()
        self._closing = False

    def tell(self, refused: RequestRefused, origin: Origin) -> None:
        """Take note of a refused request; returns at once, whatever the log does."""
        refusal = Refusal(refused, origin, now(), current_traceparent())
        telling = self._windows.take(refusal, asyncio.get_running_loop().time())
        if telling is not None:
            self._pending.append(telling)
            self._stirred.set()

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
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._windows.ends):
                await self._stirred.wait()
        self._stirred.clear()

    def _end_windows(self, present: float) -> None:
        for telling in self._windows.end(present):
            self._untold.inc(telling.others + telling.untold)
            self._pending.append(telling)

    async def _publish_pending(self) -> None:
        while self._pending:
            telling, left_out = self._pending.popleft(), self._left_out
            if await self._published(_outgoing(telling, left_out)):
                self._left_out -= left_out
            else:
                self._left_out += telling.count + telling.others + telling.untold
                self._untold.inc(telling.count)

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


def _outgoing(telling: Telling, left_out: int) -> Outgoing:
    refusal = telling.refusal
    numbers = {"count": telling.count, "others": telling.others, "untold": telling.untold + left_out}
    refused = refusal.refused.model_copy(update=numbers)
    return outgoing(
        refused,
        identifier=new_id(),
        traceparent=refusal.traceparent,
        origin=refusal.origin,
        at=refusal.at,
    )
