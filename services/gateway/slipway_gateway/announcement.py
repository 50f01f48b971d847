"""What the gateway says of itself in the bucket `gateways`: after each change, and while requests drain."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from slipway_chassis.errors import TransientError
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.logs import get_logger
from slipway_contracts.envelope import now
from slipway_contracts.gateway import GatewayRecord

from slipway_gateway.admin import EnvoyAdmin, EnvoyDownError
from slipway_gateway.draining import Drains, drains
from slipway_gateway.model import Section

_EVERY_SECONDS: Final = 3.0
_WHILE_DRAINING_SECONDS: Final = 0.15
# Envoy confirms a change when its main thread has it; each worker takes it over a moment later, and may begin
# a request by the old routes until then.
_SETTLED_SECONDS: Final = 0.05
_log: Final = get_logger()


class Announcer:
    """Writes the gateway's record.

    Args:
        gateway: id, the key of the record.
        heartbeats: the bucket.
        admin: the Envoy whose requests in flight are counted.
    """

    def __init__(self, *, gateway: str, heartbeats: Heartbeats, admin: EnvoyAdmin) -> None:
        self._gateway = gateway
        self._heartbeats = heartbeats
        self._admin = admin
        self._due = asyncio.Event()
        self._applied: int | None = None
        self._desired: int | None = None
        self._held: Mapping[str, int] = {}
        self._envoy: Literal["ok", "down"] = "ok"
        self._sections: Sequence[Section] = ()
        self._settled: Sequence[Section] = ()
        self._settles_at = 0.0
        self._said: GatewayRecord | None = None
        self._said_at = 0.0

    def applied(
        self, sequence: int, *, desired: int, held: Mapping[str, int], sections: Sequence[Section]
    ) -> None:
        """Announce what Envoy has confirmed, but for the deployments that are held; returns at once.

        Only desired records are waited for: where nothing but facts of replicas came since, it is told with
        the next record.

        Args:
            sequence: of the last record that Envoy serves by.
            desired: of the last desired record among these.
            held: by deployment, its first record that Envoy refuses.
            sections: what Envoy serves by.
        """
        if list(sections) != list(self._sections) or self._envoy == "down":
            if time.monotonic() >= self._settles_at:
                self._settled = self._sections
            self._sections = sections
            self._settles_at = time.monotonic() + _SETTLED_SECONDS
        self._applied = sequence
        if (desired, held, "ok") != (self._desired, self._held, self._envoy):
            self._desired = desired
            self._held = held
            self._envoy = "ok"
            self._due.set()

    def envoy_down(self) -> None:
        """Announce that Envoy does not answer; returns at once."""
        if self._envoy == "ok":
            self._envoy = "down"
            self._due.set()

    async def run(self) -> None:
        """Keep the record up to date, forever."""
        pause = _EVERY_SECONDS
        while True:
            await self._await_due(pause)
            if self._applied is not None:
                pause = await self._say()

    async def _await_due(self, pause: float) -> None:
        try:
            async with asyncio.timeout(pause):
                await self._due.wait()
        except TimeoutError:
            return
        self._due.clear()

    async def _say(self) -> float:
        """Write the record where it says something new or has grown old; return the time until the next."""
        # Taken before the count: what is applied while Envoy is asked was not yet routed so when it answered.
        applied, held = self._applied or 0, self._held
        counted = await self._count()
        record = GatewayRecord(
            gateway=self._gateway,
            applied=applied,
            held=held,
            active=counted.active,
            leaving=counted.leaving,
            envoy=self._envoy,
            at=now(),
        )
        if self._is_news(record):
            try:
                await self._heartbeats.beat(self._gateway, record.model_dump_json().encode())
            except TransientError as error:
                _log.info("the gateway's record is not written", problem=str(error))
            else:
                self._said, self._said_at = record, time.monotonic()
        unsettled = self._settles_at - time.monotonic()
        if unsettled > 0:
            return unsettled
        return _WHILE_DRAINING_SECONDS if counted.busy else _EVERY_SECONDS

    async def _count(self) -> Drains:
        if self._envoy == "down":
            return Drains()
        sections = self._sections
        settled = drains(self._settled, {}) if time.monotonic() < self._settles_at else None
        try:
            counted = drains(sections, await self._admin.active())
        except EnvoyDownError:
            return Drains()
        return counted if settled is None else counted.within(settled)

    def _is_news(self, record: GatewayRecord) -> bool:
        if self._said is None or time.monotonic() - self._said_at >= 0.9 * _EVERY_SECONDS:
            return True
        return record.model_copy(update={"at": self._said.at}) != self._said
