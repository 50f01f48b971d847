"""What the deployer counts about itself."""

from prometheus_client import CollectorRegistry, Gauge


class Meters:
    """The deployer's collectors."""

    def __init__(self, *, registry: CollectorRegistry) -> None:
        self._failing = Gauge(
            "slipway_deployments_not_judged",
            "Deployments whose last look failed for a reason of their own.",
            registry=registry,
        )

    def not_judged(self, number: int) -> None:
        """Say how many deployments cannot be judged now."""
        self._failing.set(number)
