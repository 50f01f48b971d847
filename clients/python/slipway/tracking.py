"""Recognises the events of one operation, and its end; pure, it reads no stream."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from slipway.documents import Operation
from slipway.event_stream import Event

ENDS: Final[Mapping[str, str]] = {
    "operation.succeeded": "SUCCEEDED",
    "operation.failed": "FAILED",
    "operation.superseded": "SUPERSEDED",
    "operation.canceled": "CANCELED",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an operation ended; `sequence` is that of the event that says so."""

    operation: str
    state: str
    sequence: int
    release: int | None = None
    version: str | None = None
    failure: Mapping[str, Any] | None = None
    at: str | None = None
    by: str | None = None
    by_operation: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the command has its effect."""
        return self.state == "SUCCEEDED"

    def as_json(self) -> dict[str, Any]:
        """Return what is known, as one JSON object."""
        return {name: value for name, value in vars(self).items() if value is not None}


def ended(operation: Operation, sequence: int) -> Outcome | None:
    """Return the outcome of an operation that has ended, as the API tells it; None while it runs."""
    if operation.state not in ENDS.values():
        return None
    return Outcome(
        operation=operation.id,
        state=operation.state,
        sequence=sequence,
        release=operation.release,
        failure=operation.failure.as_json() if operation.failure else None,
        by_operation=operation.superseded_by,
    )


@dataclass(kw_only=True)
class Tracking:
    """What is known of a running operation; learns of its release and its version as events pass."""

    operation: str
    build: str | None = None
    release: int | None = None
    version: str | None = None
    outcome: Outcome | None = None
    _end: Outcome | None = None
    _workloads: set[str] = field(default_factory=set)

    def take(self, event: Event) -> bool:
        """Learn from an event of the deployment; False for one that belongs to something else."""
        noun = event.kind.partition(".")[0]
        match noun:
            case "operation":
                return self._operation(event)
            case "build":
                return self._build(event)
            case "release":
                return self._release(event)
            case "replica":
                return event.data.get("workload") in self._workloads
            case "traffic":
                return self._is_caused(event)
            case "message":
                return event.kind == "message.dead"
            case _:
                return False

    def _operation(self, event: Event) -> bool:
        if event.data.get("operation") != self.operation:
            return False
        if state := ENDS.get(event.kind):
            self._end = Outcome(
                operation=self.operation,
                state=state,
                sequence=event.sequence,
                at=None if event.time is None else event.time.isoformat().replace("+00:00", "Z"),
                failure=event.data.get("failure"),
                by=event.data.get("by"),
                by_operation=event.data.get("by_operation"),
            )
            self.outcome = self._decided()
        return True

    def _build(self, event: Event) -> bool:
        if self.build is None or event.data.get("build") != self.build:
            return False
        if event.kind == "build.succeeded":
            self.version = event.data["version"]["label"]
            self.outcome = self._decided()
        return True

    def _decided(self) -> Outcome | None:
        """Return the end, once it is known what it led to: a build's version is told right behind its end."""
        if self._end is None:
            return None
        if self._end.succeeded and self.build == self.operation and self.version is None:
            return None
        return replace(self._end, release=self.release, version=self.version)

    def _is_caused(self, event: Event) -> bool:
        return event.document.get("correlationid") == self.operation

    def _release(self, event: Event) -> bool:
        if event.kind == "release.created" and event.data.get("operation") == self.operation:
            self.release = event.data["release"]
            self.build = self.build or event.data.get("build")
        if self.release is None or event.data.get("release") != self.release:
            # An alias that moves to releases that ran before starts these again.
            return self._is_caused(event)
        if version := event.data.get("version"):
            self.version = version["label"]
        if event.kind == "release.starting":
            self._workloads = set(event.data.get("workloads", {}).values())
        return True
