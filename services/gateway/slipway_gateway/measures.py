"""What the gateway counts about itself."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Measures:
    """Metrics of applied changes.

    Args:
        registry: the process' metrics.
    """

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "slipway_gateway_apply_seconds",
            "From a change that is known to Envoy's confirmation.",
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.5, 10),
            registry=registry,
        )
        self._sequence = Gauge(
            "slipway_gateway_applied_sequence",
            "Position of the log that Envoy serves by.",
            registry=registry,
        )
        self._refused = Counter(
            "slipway_gateway_refused_changes", "Changes that Envoy refused.", registry=registry
        )

    def applied(self, *, seconds: float, sequence: int) -> None:
        """Count one confirmed application."""
        self._seconds.observe(seconds)
        self._sequence.set(sequence)

    def refused(self) -> None:
        """Count one refused change."""
        self._refused.inc()
