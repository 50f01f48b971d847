"""What the notifier counts: attempts by outcome, and how many webhooks work or fail now."""

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from slipway_contracts.webhooks import WebhookProgress

from slipway_notifier.outcome import Delivered, Failed, Gone, Meaningless, Outcome

_SECONDS: Final = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 15.0)


class Meters:
    """The notifier's collectors; their labels are bounded."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "slipway_webhook_attempts", "Attempts to deliver, by outcome.", ["outcome"], registry=registry
        )
        self._seconds = Histogram(
            "slipway_webhook_seconds", "Time of an attempt.", buckets=_SECONDS, registry=registry
        )
        self._active = Gauge("slipway_webhooks", "Webhooks to which this process sends.", registry=registry)
        self._failing = Gauge(
            "slipway_webhooks_failing", "Those whose last attempt failed.", registry=registry
        )

    def attempted(self, outcome: Outcome, *, seconds: float) -> None:
        """Count an attempt."""
        match outcome:
            case Delivered():
                word = "delivered"
            case Meaningless():
                word = "meaningless"
            case Gone():
                word = "gone"
            case Failed(kind=kind):
                word = kind
        self._attempts.labels(word).inc()
        self._seconds.observe(seconds)

    def watch(self, webhooks: Callable[[], Sequence[WebhookProgress]]) -> None:
        """Ask this, from now on, for how far the webhooks are to which this process sends."""
        self._active.set_function(lambda: len(webhooks()))
        self._failing.set_function(lambda: sum(progress.problem is not None for progress in webhooks()))
