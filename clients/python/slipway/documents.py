"""What the API answers, as far as this package reads it; members it does not know are kept as they came."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Document(BaseModel):
    """A JSON object of the API."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def as_json(self) -> dict[str, Any]:
        """Return the object as the API sent it."""
        return self.model_dump(mode="json", exclude_unset=True)


class Page(Document):
    """Part of a list; without `next_page_token` it is the last part."""

    items: tuple[dict[str, Any], ...]
    next_page_token: str | None = None


class Failure(Document):
    """Why something failed: where, why by a stable code, and what to do next."""

    stage: str
    reason: str
    message: str
    hint: str = ""


class Overdue(Document):
    """A transient state that lasts longer than it may, and the service that has to end it."""

    since: datetime
    owed_by: str


class Operation(Document):
    """The progress of one accepted command."""

    id: str
    kind: str
    state: str
    deployment: str
    release: int | None = None
    build: str | None = None
    failure: Failure | None = None
    superseded_by: str | None = None
    overdue: Overdue | None = None


class Accepted(Document):
    """A command is in the log at `sequence`; `operation` tells of its progress."""

    operation: Operation
    deployment: str
    sequence: int
    build: str | None = None


class Size(BaseModel):
    """What one replica may use; what is not given takes the platform's default."""

    model_config = ConfigDict(frozen=True)

    cpu: float | None = Field(default=None, description="Cores.")
    memory_bytes: int | None = None


class ReleaseConfig(Document):
    """The configuration of a release."""

    replicas: int
    size: Size
    description: str = ""


class Release(Document):
    """A numbered record of one deploy."""

    number: int
    state: str
    cause: str
    version_label: str | None = None
    config: ReleaseConfig
    created_at: datetime
    created_by: str
    live_at: datetime | None = None
    failure: Failure | None = None


class Deployment(Document):
    """A deployment as it stands, in a list."""

    id: str
    group: str
    state: str
    ready: int
    replicas: int
    live_release: int | None = None
    version_label: str | None = None
    target: str | None = None
    created_at: datetime
    created_by: str
    changed_at: datetime


class Endpoint(Document):
    """An endpoint of the release that serves, and where it answers."""

    name: str
    url: str


class Condition(Document):
    """One aspect of a deployment; `status` None: not known yet."""

    type: str
    status: bool | None
    reason: str
    message: str


class DeploymentDetail(Deployment):
    """All that there is to say about a deployment now."""

    url: str
    endpoints: tuple[Endpoint, ...]
    conditions: tuple[Condition, ...] = ()
    next: Release | None = None
    failure: Failure | None = None
    overdue: Overdue | None = None


class Version(Document):
    """An immutable result of a build."""

    id: str
    label: str
    python: str
    platform: str
    endpoints: tuple[Document, ...]
    created_at: datetime
    created_by: str


class BuildStep(Document):
    """One step of a build."""

    name: str
    state: str
    seconds: float | None = None
    detail: str = ""


class Build(Document):
    """A build, its steps and what came of it."""

    id: str
    state: str
    label: str | None = None
    created_at: datetime
    created_by: str
    ended_at: datetime | None = None
    steps: tuple[BuildStep, ...] = ()
    failure: Failure | None = None


class LogLine(Document):
    """A line that a build or a replica wrote."""

    at: datetime
    stream: str
    text: str
    endpoint: str | None = None
    replica: str | None = None


class Configuration(BaseModel):
    """What a release is to run with; None takes the platform's default, or on a redeploy what runs now."""

    model_config = ConfigDict(frozen=True)

    replicas: int | None = None
    size: Size | None = None
    environment: Mapping[str, str] | None = None
    metadata: Mapping[str, str] | None = None
    description: str | None = None
    deadline_seconds: float | None = None

    def as_body(self) -> dict[str, Any]:
        """Return the members of a request that say this."""
        return self.model_dump(mode="json", exclude_none=True)
