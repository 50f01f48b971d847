"""What each process counts about itself, as Prometheus text.

Labels are bounded: message types and outcomes, never ids.
"""

import asyncio
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

Outcome = Literal["acked", "transient", "failed", "dead"]
_LAG_PERIOD: Final = 1.0


class Metrics:
    """One registry for a process; services add their own collectors to `registry`."""

    def __init__(self, *, service: str) -> None:
        self.registry: Final = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Gauge("slipway_info", "The service.", ["service"], registry=self.registry).labels(service).set(1)
        self._handled = Counter(
            "slipway_messages",
            "Deliveries by what became of them; transient and failed ones come again.",
            ["type", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "slipway_message_seconds", "Time in the handler.", ["type"], registry=self.registry
        )
        self._lag = Gauge(
            "slipway_event_loop_lag_seconds",
            "How late the event loop was, last second.",
            registry=self.registry,
        )

    def message_handled(self, *, kind: str, outcome: Outcome, seconds: float) -> None:
        """Count one delivery of a message of this type."""
        self._handled.labels(kind, outcome).inc()
        self._seconds.labels(kind).observe(seconds)

    async def watch_event_loop(self) -> None:
        """Measure the lag of the event loop, forever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LAG_PERIOD
            await asyncio.sleep(_LAG_PERIOD)
            self._lag.set(max(0.0, loop.time() - due))

    def render(self) -> bytes:
        """Return the Prometheus text format."""
        return generate_latest(self.registry)
