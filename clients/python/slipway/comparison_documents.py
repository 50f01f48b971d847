"""What the API answers about plans, histories and differences, as far as this package reads it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from slipway.documents import Document, Failure


class Change(Document):
    """A field that differs; None: it is not there."""

    field: str
    before: Any = None
    after: Any = None


class PlanStep(Document):
    """Something that would happen."""

    action: str
    detail: str


class Plan(Document):
    """What a command would do; nothing was changed."""

    kinds: tuple[str, ...]
    deployment: str
    request: dict[str, Any] | None = None
    compared_with: int | None = None
    changes: tuple[Change, ...] = ()
    steps: tuple[PlanStep, ...] = ()
    surge: Mapping[str, float] | None = None
    downtime: str | None = None
    notices: tuple[str, ...] = ()


class HistoryEntry(Document):
    """A release as the history tells it."""

    release: int
    cause: str
    outcome: str
    failure: Failure | None = None
    user: str
    version_label: str | None = None
    images: Mapping[str, str] = Field(default_factory=dict)
    replicas: int
    instance_type: str | None = None
    group: str
    target: str
    alias: str
    copy_of: int | None = None
    description: str = ""
    metadata: Mapping[str, str] = Field(default_factory=dict)
    created_at: datetime
    live_at: datetime | None = None
    ended_at: datetime | None = None
    stopped: bool = False
    restorable: bool = True


class Difference(Document):
    """How two releases differ."""

    changes: tuple[Change, ...] = ()
