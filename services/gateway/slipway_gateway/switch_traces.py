"""Spans of what the gateway does with a record: it arrives, Envoy has it, and the first request is answered.

Looks for nothing while spans are exported nowhere, and decides nothing. Records are applied in bursts; each
has its spans in the trace of the operation that led to it.
"""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from slipway_chassis.stored import Stored
from slipway_chassis.telemetry import StatusCode, Telemetry, current_traceparent
from slipway_contracts.envelope import Envelope, now
from slipway_contracts.subjects import owner_of
from slipway_contracts.topology import LOG

from slipway_gateway.admin import EnvoyAdmin, EnvoyDownError
from slipway_gateway.configuration import Configuration
from slipway_gateway.known import Key

_LOOK_EVERY_SECONDS: Final = 0.25
_AWAITED_SECONDS: Final = 60.0
_MOST_KEPT: Final = 10_000


@dataclass(frozen=True)
class _Learnt:
    key: Key
    sequence: int
    envelope: Envelope
    at: datetime


@dataclass(frozen=True)
class _Awaited:
    """A cluster that got its first requests with a switch; given up at `until`, by the monotonic clock."""

    traceparent: str | None
    since: datetime
    until: float


class SwitchTraces:
    """Makes the spans.

    Args:
        telemetry: where they go.
        admin: the Envoy whose first answers are looked for.
    """

    def __init__(self, *, telemetry: Telemetry, admin: EnvoyAdmin) -> None:
        self._telemetry = telemetry
        self._admin = admin
        self._learnt: list[_Learnt] = []
        self._applying: list[_Learnt] = []
        self._began = now()
        self._clusters: frozenset[str] | None = None
        self._awaited: dict[str, _Awaited] = {}
        self._awaiting = asyncio.Event()

    def learnt(self, stored: Stored) -> None:
        """Note a record that may change routes; it goes into the next application."""
        if self._telemetry.exports:
            key = owner_of(stored.subject)
            self._learnt.append(_Learnt(key, stored.sequence, stored.envelope, now()))

    def begin(self) -> None:
        """Note that what was learnt so far is being written; an application that failed goes on.

        While Envoy is down for long, the oldest records are forgotten.
        """
        if not self._applying:
            self._began = now()
        self._applying = [*self._applying, *self._learnt][-_MOST_KEPT:]
        self._learnt = []

    def confirmed(self, configuration: Configuration) -> None:
        """Tell of the records that Envoy serves by now, and of those that it refuses."""
        if not self._telemetry.exports:
            return
        clusters = frozenset(each.name for section in configuration.sections for each in section.clusters)
        new = clusters - self._clusters if self._clusters is not None else frozenset()
        self._clusters = clusters
        for record in self._applying:
            applied = self._tell(record, refused=_is_held(record, configuration))
            self._await(new.intersection(configuration.clusters_of(record.key)), applied)
        self._applying = []

    async def run(self) -> None:
        """Look for the first answers, while any is awaited; forever."""
        while True:
            await self._awaiting.wait()
            await self._look()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _tell(self, record: _Learnt, *, refused: bool) -> str | None:
        began = max(self._began, record.at)
        with self._telemetry.processing(record.envelope, stream=LOG.name, began=record.at) as span:
            span.set_attribute("slipway.log.sequence", record.sequence)
            with self._telemetry.span("apply configuration", began=began) as applying:
                if refused:
                    applying.set_status(StatusCode.ERROR, "Envoy refuses it, and serves by what it had")
                return current_traceparent()

    def _await(self, clusters: Iterable[str], traceparent: str | None) -> None:
        for cluster in clusters:
            until = time.monotonic() + _AWAITED_SECONDS
            self._awaited.setdefault(cluster, _Awaited(traceparent, now(), until))
            self._awaiting.set()

    async def _look(self) -> None:
        try:
            answered = await self._admin.answered()
        except EnvoyDownError:
            answered = frozenset()
        for cluster, awaited in list(self._awaited.items()):
            if cluster in answered:
                with self._telemetry.span(
                    "await first answer", parent=awaited.traceparent, began=awaited.since
                ):
                    del self._awaited[cluster]
            elif time.monotonic() > awaited.until:
                del self._awaited[cluster]
        if not self._awaited:
            self._awaiting.clear()


def _is_held(record: _Learnt, configuration: Configuration) -> bool:
    held = configuration.held.get("/".join(record.key))
    return held is not None and held <= record.sequence
