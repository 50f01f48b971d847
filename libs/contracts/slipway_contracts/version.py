"""Versions: the immutable result of a build, and what it says about running each endpoint."""

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

from slipway_contracts.names import BuildId, DeploymentId, Digest, EndpointName, GroupName, Label, VersionId


class CommandSpec(BaseModel):
    """How to start an endpoint's server inside its image; exactly one of `argv` and `shell` is set."""

    model_config = ConfigDict(frozen=True)

    argv: tuple[str, ...] = Field(default=(), description="Program and arguments; `$PORT` is expanded.")
    shell: str | None = Field(default=None, description="A line for `/bin/sh -c`, as the user wrote it.")
    working_dir: str = Field(default="/app", description="Absolute path inside the image.")


class SmokeTest(BaseModel):
    """A request that every new replica has to answer as expected before it gets traffic."""

    model_config = ConfigDict(frozen=True)

    method: str = Field(default="GET", pattern=r"^[A-Z]{1,16}$")
    path: str = Field(pattern=r"^/", description="At the replica, without the gateway's prefix.")
    headers: Mapping[str, str] = Field(default_factory=dict)
    body: str | None = Field(default=None, description="Sent as it is; give its content-type in `headers`.")
    status: int = Field(default=200, ge=100, le=599)
    json_shape: JsonValue = Field(
        default=None,
        description="The answer must have these members and items, each of the same JSON type; null: any.",
    )
    latency_seconds: float | None = Field(default=None, gt=0, le=3600, description="Longest time to answer.")


class EndpointSpec(BaseModel):
    """One HTTP server inside a version."""

    model_config = ConfigDict(frozen=True)

    name: EndpointName
    description: str = ""
    image: Digest = Field(description="Digest of the OCI image manifest.")
    command: CommandSpec
    fixed_port: int | None = Field(
        default=None, ge=1, le=65535, description="Port the command insists on; None where it obeys $PORT."
    )
    health: str | None = Field(
        default=None, description="Path that answers 2xx or 3xx when ready; None: TCP."
    )
    timeout_seconds: float = Field(default=300.0, gt=0, le=86_400, description="Longest time for one answer.")
    max_body_bytes: int | None = Field(
        default=None, gt=0, description="Largest request body; None: no limit."
    )
    idempotent: bool = Field(default=False, description="A request that was sent may be sent again.")
    smoke_test: SmokeTest | None = None


class Version(BaseModel):
    """Per endpoint one image digest and how to run it; never changes."""

    model_config = ConfigDict(frozen=True)

    id: VersionId = Field(description="The id of the build that made it.")
    group: GroupName
    deployment: DeploymentId
    label: Label = Field(description="`YYYYMMDD.N` or the user's.")
    build: BuildId
    endpoints: tuple[EndpointSpec, ...] = Field(min_length=1)
    base: str = Field(
        default="host", description="Digest of the base image; `host`: supervisor targets only."
    )
    python: str = Field(description="Python of the images, as `3.11`.")
    platform: str = Field(description="Platform of the images, as `linux/amd64`.")
    source: Digest | None = Field(default=None, description="Artifact that it was built from.")
    notices: tuple[str, ...] = Field(default=(), description="What the user should know before a deploy.")
    created_at: AwareDatetime
    created_by: str
