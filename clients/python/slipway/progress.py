"""Turns the events of one operation into the steps that a user sees; pure, it prints nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from slipway.event_stream import Event

_MINUTE = 60.0
_COUNTED_EVERY_SECONDS = 2.0

Replica = tuple[str, str]
"""A workload, and the id of a replica in it."""


class Mark(StrEnum):
    """What a step says at a glance."""

    DONE = "done"
    NOTE = "note"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that has happened; `seconds` since the step before it of the same part."""

    part: str
    text: str
    seconds: float | None = None
    detail: str = ""
    mark: Mark = Mark.DONE


@dataclass(kw_only=True)
class Progress:
    """The fold of an operation's events; `running` says what it waits for now.

    Attributes:
        running: what it waits for.
        ready: the replicas that are ready, also of other releases, which this one may share.
    """

    running: str = ""
    ready: set[Replica] = field(default_factory=set)
    _part: str = "release"
    _since: datetime | None = None
    _replicas: int = 1
    _wanted: int = 0
    _starting: frozenset[str] = frozenset()
    _counted_at: datetime | None = None
    _counted: int = 0

    def take(self, event: Event) -> list[Step]:
        """Return the steps that this event completes."""
        noun, _, verb = event.kind.partition(".")
        match noun:
            case "build":
                return self._build(verb, event)
            case "release":
                return self._release(verb, event)
            case "traffic":
                return self._traffic(event)
            case "replica":
                return self._replica(event)
            case "message":
                detail = f"{event.data.get('service')}: {event.data.get('error')}"
                return [Step(part="platform", text="message not handled", detail=detail, mark=Mark.FAILED)]
            case _:
                return []

    def _build(self, verb: str, event: Event) -> list[Step]:
        data = event.data
        match verb:
            case "step-started":
                self.running = f"build: {data['step']}"
                return []
            case "step-finished":
                self.running = "build"
                return [_build_step(data["step"], data["seconds"], data.get("detail", ""))]
            case "succeeded":
                self._since = event.time
                version = data["version"]
                notices = [_notice(text) for text in version.get("notices", ())]
                return [_build_step("version made", data["seconds"], version["label"]), *notices]
            case "failed":
                return [_failed("build", "failed", data["failure"]["reason"])]
            case "canceled":
                return [_failed("build", "canceled", f"by {data['by']}")]
            case _:
                self.running = "build"
                return []

    def _release(self, verb: str, event: Event) -> list[Step]:
        data = event.data
        self._part = f"release {data['release']}"
        match verb:
            case "created":
                self.running = f"{self._part}: waits for its build" if data.get("build") else self._part
                self._since = event.time
                self._replicas = data["config"]["replicas"]
                return []
            case "starting":
                self._wanted = _wanted(data["version"], self._replicas, len(data["workloads"]))
                self._starting = frozenset(data["workloads"].values())
                self._counted_at, self._counted = event.time, self._ready_now
                self.running = f"{self._part}: {self._count}"
                return [self._timed("starting", event, f"version {data['version']['label']}")]
            case "ready":
                self._starting = frozenset()
                self.running = f"{self._part}: waits for the gateways"
                return [self._timed("ready", event)]
            case "live":
                self.running = self._part
                return [self._timed("live", event, f"{spoken(data['seconds'])} since it was created")]
            case "failed":
                return [_failed(self._part, "failed", data["failure"]["reason"])]
            case "superseded":
                return [_failed(self._part, "superseded", "by a newer command")]
            case "canceled":
                return [_failed(self._part, "canceled", f"by {data['by']}")]
            case "pinned" if not data["pinned"]:
                return [self._timed("unpinned", event)]
            case _:
                return [self._timed(verb, event)]

    def _traffic(self, event: Event) -> list[Step]:
        alias, shares = event.data.get("alias", "live"), event.data.get("shares", ())
        told = " ".join(f"{each['release']}={each['weight']}" for each in shares) or "nothing"
        self.running = f"alias {alias}: waits for the gateways"
        step = self._timed(f"{alias} moves", event, f"to {told}")
        return [replace(step, part="alias")]

    def _replica(self, event: Event) -> list[Step]:
        data, state = event.data, event.data["state"]
        replica = (data["workload"], data["replica"])
        if state == "ready":
            self.ready.add(replica)
        else:
            self.ready.discard(replica)
        if self._starting:
            self.running = f"{self._part}: {self._count}"
        if state in {"exited", "blocked"}:
            detail = f"{data['endpoint']} {data['replica']} {_end_of(data)}"
            return [Step(part=self._part, text=f"replica {state}", detail=detail, mark=Mark.NOTE)]
        return self._counting(event.time)

    def _counting(self, at: datetime | None) -> list[Step]:
        """Tell how many are ready, now and then: what takes long must not look as if it stood still."""
        if not self._starting or self._ready_now == self._counted or at is None or self._counted_at is None:
            return []
        if (at - self._counted_at).total_seconds() < _COUNTED_EVERY_SECONDS:
            return []
        self._counted_at, self._counted = at, self._ready_now
        return [Step(part=self._part, text=self._count, mark=Mark.NOTE)]

    @property
    def _ready_now(self) -> int:
        return sum(1 for workload, _ in self.ready if workload in self._starting)

    @property
    def _count(self) -> str:
        return f"{self._ready_now} of {self._wanted} replicas ready"

    def _timed(self, text: str, event: Event, detail: str = "") -> Step:
        since, self._since = self._since, event.time or self._since
        seconds = max((event.time - since).total_seconds(), 0.0) if event.time and since else None
        return Step(part=self._part, text=text, seconds=seconds, detail=detail)


def _wanted(version: Mapping[str, Any], replicas: int, workloads: int) -> int:
    """Return the replicas of all workloads; an endpoint with a fixed port has one."""
    fixed = sum(1 for each in version.get("endpoints", ()) if each.get("fixed_port"))
    return replicas * (workloads - fixed) + fixed


def _build_step(text: str, seconds: float, detail: str) -> Step:
    return Step(part="build", text=text, seconds=seconds, detail=detail)


def _notice(text: str) -> Step:
    return Step(part="build", text="notice", detail=text, mark=Mark.NOTE)


def _failed(part: str, text: str, detail: str) -> Step:
    return Step(part=part, text=text, detail=detail, mark=Mark.FAILED)


def _end_of(data: Mapping[str, Any]) -> str:
    if data.get("signal"):
        return f"by {data['signal']}"
    if data.get("exit_code") is not None:
        return f"with code {data['exit_code']}"
    return str(data.get("detail") or "")


def spoken(seconds: float) -> str:
    """Return a duration as a person writes it."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), int(_MINUTE))
    return f"{minutes} min {rest} s"
