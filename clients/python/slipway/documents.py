"""What the API answers, as far as this package reads it; members it does not know are kept as they came."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from slipway.errors import ProtocolError

LIVE: Final = "live"
"""The alias behind the deployment's own URL."""


class Document(BaseModel):
    """A JSON object of the API."""

    model_config = ConfigDict(frozen=True, extra="allow")

    def as_json(self) -> dict[str, Any]:
        """Return the object as the API sent it."""
        return self.model_dump(mode="json", exclude_unset=True)


D = TypeVar("D", bound=Document)


def parsed(kind: type[D], document: Any) -> D:  # noqa: ANN401 - any JSON
    """Return an answer of the API as a document.

    Raises:
        ProtocolError: it is none of this kind.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        fact = f"the API answered no {kind.__name__}: {error.errors()[0]['msg']}"
        raise ProtocolError(fact, hint="Look whether client and platform are of one version.") from error


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
    notices: tuple[str, ...] = ()


class Size(BaseModel):
    """What one replica may use; what is not given takes the platform's default."""

    model_config = ConfigDict(frozen=True)

    cpu: float | None = Field(default=None, description="Cores.")
    memory_bytes: int | None = None
    gpu: int | None = Field(default=None, description="Whole devices.")


class SecretRef(BaseModel):
    """Names a secret of the group; without a version the newest, as of the command."""

    model_config = ConfigDict(frozen=True)

    secret: str
    version: int | None = None

    def as_body(self) -> dict[str, Any]:
        """Return the members of a request that say this."""
        return self.model_dump(mode="json", exclude_none=True)


class Share(BaseModel):
    """The part of an alias' requests that a release gets, in percent."""

    model_config = ConfigDict(frozen=True)

    release: int
    weight: int


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
    ended_at: datetime | None = None
    failure: Failure | None = None


class Deployment(Document):
    """A deployment as it stands, in a list."""

    id: str
    name: str = ""
    group: str
    description: str = ""
    metadata: Mapping[str, str] = Field(default_factory=dict)
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


class AliasShare(Document):
    """The part of an alias' requests that one release gets."""

    release: int
    weight: int
    version_label: str | None = None


class Alias(Document):
    """A name that points at releases, and where it answers."""

    alias: str
    url: str
    shares: tuple[AliasShare, ...]
    moving_to: tuple[AliasShare, ...] | None = None


class FormerName(Document):
    """A name that the deployment had, under which it is still called for a while."""

    name: str
    until: datetime


class Settings(Document):
    """What is said about a deployment as a whole."""

    access: str = "open"
    former_names: tuple[FormerName, ...] = ()


class DeploymentDetail(Deployment):
    """All that there is to say about a deployment; `as_of`: the position in the log, of one of the past."""

    as_of: int | None = None
    url: str
    endpoints: tuple[Endpoint, ...]
    settings: Settings | None = None
    aliases: tuple[Alias, ...] = ()
    pins: tuple[int, ...] = ()
    call_example: str | None = None
    deleted: str | None = None
    leftovers: tuple[str, ...] = ()
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
    restorable: bool = True
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
    release: int | None = None
    replica: str | None = None
    workload: str | None = None


class Configuration(BaseModel):
    """What a release is to run with; None takes the platform's default, or on a redeploy what runs now."""

    model_config = ConfigDict(frozen=True)

    target: str | None = None
    replicas: int | None = None
    instance_type: str | None = None
    size: Size | None = None
    environment: Mapping[str, str | SecretRef] | None = None
    image_pull_secret: SecretRef | None = None
    strategy: str | None = None
    alias: str | None = None
    weight: int | None = None
    metadata: Mapping[str, str] | None = None
    description: str | None = None
    deadline_seconds: float | None = None

    def as_body(self) -> dict[str, Any]:
        """Return the members of a request that say this."""
        return self.model_dump(mode="json", exclude_none=True)
