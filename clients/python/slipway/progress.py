"""Turns the events of one operation into the steps that a user sees; pure, it prints nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from slipway.event_stream import Event

_MINUTE = 60.0


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
    """The fold of an operation's events; `running` says what it waits for now."""

    running: str = ""
    _part: str = "release"
    _since: datetime | None = None
    _replicas: int = 1
    _wanted: int = 0
    _starting: bool = False
    _ready: set[str] = field(default_factory=set)

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
                return self._replica(event.data)
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
                self._wanted = self._replicas * len(data["workloads"])
                self._starting = True
                self.running = self._waiting()
                return [self._timed("starting", event, f"version {data['version']['label']}")]
            case "ready":
                self._starting = False
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

    def _replica(self, data: Mapping[str, Any]) -> list[Step]:
        name = f"{data['endpoint']} {data['replica']}"
        state = data["state"]
        if state == "ready":
            self._ready.add(name)
        else:
            self._ready.discard(name)
        if self._starting:
            self.running = self._waiting()
        if state not in {"exited", "blocked"}:
            return []
        detail = f"{name} {_end_of(data)}"
        return [Step(part=self._part, text=f"replica {state}", detail=detail, mark=Mark.NOTE)]

    def _waiting(self) -> str:
        # Replicas that this release shares with the one before it were ready already, and say nothing now.
        return f"{self._part}: waits for {self._wanted} replicas, {len(self._ready)} became ready"

    def _timed(self, text: str, event: Event, detail: str = "") -> Step:
        since, self._since = self._since, event.time or self._since
        seconds = max((event.time - since).total_seconds(), 0.0) if event.time and since else None
        return Step(part=self._part, text=text, seconds=seconds, detail=detail)


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
