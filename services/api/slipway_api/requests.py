"""Bodies of requests: strict, no unknown field, nothing that the log or the projection could not hold."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from slipway_contracts.events import RoleGrant
from slipway_contracts.names import DeploymentId, Digest, GroupName, Label, TargetName
from slipway_contracts.release import DEFAULT_DEADLINE_SECONDS, LARGEST_ENVIRONMENT, ReleaseConfig
from slipway_contracts.workload import Size

MAX_REPLICAS: Final = 1000
_RESERVED: Final = frozenset({"PORT"})


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character NUL")
    return text


Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_storable)]
Value = Annotated[str, StringConstraints(max_length=32_768), AfterValidator(_storable)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]
MetadataName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]


def _unreserved(environment: Mapping[str, str]) -> Mapping[str, str]:
    taken = sorted(_RESERVED & environment.keys())
    if taken:
        raise ValueError(f"{', '.join(taken)} is set by the platform and cannot be given")
    return environment


def _bounded(values: Mapping[str, str]) -> Mapping[str, str]:
    if sum(len(name) + len(value) for name, value in values.items()) > LARGEST_ENVIRONMENT:
        raise ValueError(f"names and values together may have {LARGEST_ENVIRONMENT} characters")
    return values


Environment = Annotated[
    dict[VariableName, Value],
    Field(max_length=200, description="Environment variables of every replica.", examples=[{"LANG": "C"}]),
    AfterValidator(_unreserved),
    AfterValidator(_bounded),
]
Metadata = Annotated[
    dict[MetadataName, Text],
    Field(max_length=50, description="Kept with the release, never interpreted.", examples=[{"git": "1f3c"}]),
    AfterValidator(_bounded),
]
Replicas = Annotated[
    int, Field(ge=1, le=MAX_REPLICAS, description="Replicas of each endpoint.", examples=[2])
]
Description = Annotated[Text, Field(description="Why this release was made.", examples=["new weights"])]
Deadline = Annotated[
    float,
    Field(
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="From the start of its replicas to all of them ready.",
        examples=[120],
    ),
]
VersionRef = Annotated[Label, Field(description="Label or id of a version.", examples=["20260101.1"])]


class RequestBody(BaseModel):
    """Strict: `"2"` is no number, and an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SizeBody(RequestBody):
    """What one replica may use."""

    cpu: float = Field(default=1.0, gt=0, le=1024, allow_inf_nan=False, description="Cores.")
    memory_bytes: int = Field(default=1 << 30, gt=0, le=1 << 50)

    def size(self) -> Size:
        """Return the size as the contracts know it."""
        return Size(cpu=self.cpu, memory_bytes=self.memory_bytes)


class DeployBody(RequestBody):
    """A whole release: what is not given takes its default, not what ran before."""

    version: VersionRef | None = None
    source: Digest | None = Field(default=None, description="Uploaded source: build it, then deploy it.")
    label: Label | None = Field(default=None, description="Label of the version that `source` becomes.")
    target: TargetName = Field(default="local", description="Where it runs.")
    replicas: Replicas = 1
    size: SizeBody = SizeBody()
    environment: Environment = Field(default_factory=dict)
    description: Description = ""
    metadata: Metadata = Field(default_factory=dict)
    deadline_seconds: Deadline = DEFAULT_DEADLINE_SECONDS

    @model_validator(mode="after")
    def _one_of(self) -> "DeployBody":
        if (self.version is None) == (self.source is None):
            raise ValueError("give exactly one of version and source")
        if self.label is not None and self.source is None:
            raise ValueError("label names the version that source becomes; a version has its label already")
        return self

    def config(self) -> ReleaseConfig:
        """Return the complete configuration."""
        return ReleaseConfig(
            target=self.target,
            size=self.size.size(),
            replicas=self.replicas,
            environment=self.environment,
            description=self.description,
            metadata=self.metadata,
            deadline_seconds=self.deadline_seconds,
        )


class CreateBody(DeployBody):
    """A new deployment and its first release."""

    id: DeploymentId = Field(description="Id of the deployment; never changes.", examples=["digits"])


class RedeployBody(RequestBody):
    """What shall differ from the release that was live last; everything else stays as it was."""

    version: VersionRef | None = None
    replicas: Replicas | None = None
    size: SizeBody | None = None
    environment: Environment | None = Field(default=None, description="Replaces the whole environment.")
    description: Description = ""
    metadata: Metadata | None = None
    deadline_seconds: Deadline | None = None

    def merged_into(self, config: ReleaseConfig) -> ReleaseConfig:
        """Return `config` with what this body changes."""
        given = {
            "replicas": self.replicas,
            "size": self.size.size() if self.size else None,
            "environment": self.environment,
            "metadata": self.metadata,
            "deadline_seconds": self.deadline_seconds,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return ReleaseConfig.model_validate(dict(config) | changes | {"description": self.description})


class BuildBody(RequestBody):
    """A build of an uploaded source."""

    source: Digest = Field(description="Digest of the uploaded tar.gz.")
    label: Label | None = Field(default=None, description="Label of the version; else `YYYYMMDD.N`.")


class GrantBody(RequestBody):
    """A role in one group, or in all of them."""

    group: Literal["*"] | GroupName
    role: Literal["viewer", "deployer", "admin"]

    def grant(self) -> RoleGrant:
        """Return the grant as the contracts know it."""
        return RoleGrant(group=self.group, role=self.role)


class KeyBody(RequestBody):
    """A new API key."""

    user: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.@_-]{0,127}$")] = Field(
        description="Shown wherever something says who did it.", examples=["ada"]
    )
    grants: list[GrantBody] = Field(min_length=1, max_length=100)
