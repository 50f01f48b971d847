"""Decides from the outcomes of probes whether a replica is ready, and when to probe again. Pure."""

from typing import Final

from slipway_engines.supervisor.probes import Outcome, Probe

FAILURES_UNTIL_UNREADY: Final = 3
STEADY_SECONDS: Final = 1.0
FASTEST_SECONDS: Final = 0.005
SLOWEST_SECONDS: Final = 0.25
_SHARE_OF_AGE: Final = 0.005


class Readiness:
    """The readiness of one process.

    While it starts it is probed after each 0.5 % of its age, so that the time until it is seen ready grows
    by no more than that; once it is ready, every second.
    """

    def __init__(self) -> None:
        self.ready = False
        self.detail: str | None = None
        self._failures = 0
        self._last: Outcome | None = None

    @property
    def settled(self) -> bool:
        """Whether more probes right now would say nothing new."""
        final = self._last in (Outcome.REFUSED, Outcome.FOREIGN)
        return self.ready or final or self._failures >= FAILURES_UNTIL_UNREADY

    @property
    def hangs(self) -> bool:
        """Whether it is not ready although something takes its connections."""
        return (
            not self.ready and self._failures >= FAILURES_UNTIL_UNREADY and self._last is not Outcome.REFUSED
        )

    def take(self, probe: Probe) -> None:
        """Take the outcome of a probe into account."""
        self._last = probe.outcome
        if probe.outcome is Outcome.ANSWERED:
            self.ready, self.detail, self._failures = True, None, 0
        else:
            self._failures += 1
            if not self.ready or self._failures >= FAILURES_UNTIL_UNREADY:
                self.ready, self.detail = False, probe.detail

    def pause(self, age_seconds: float) -> float:
        """Return the seconds until the next probe of a process of this age."""
        if self.ready:
            return SLOWEST_SECONDS if self._failures else STEADY_SECONDS
        if self._last in (Outcome.FOREIGN, Outcome.SILENT):
            return SLOWEST_SECONDS
        return min(SLOWEST_SECONDS, max(FASTEST_SECONDS, _SHARE_OF_AGE * age_seconds))
