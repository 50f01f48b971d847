"""Releases: one deploy, with its complete configuration."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from slipway_contracts.names import BuildId, TargetName
from slipway_contracts.version import Version
from slipway_contracts.workload import Size

DEFAULT_DEADLINE_SECONDS = 300.0
LARGEST_ENVIRONMENT = 32 << 10
"""Characters of all names and values; a desired record repeats them per endpoint and has to fit a message."""


class ReleaseConfig(BaseModel):
    """Everything about a release but its version: enough to run it again exactly."""

    model_config = ConfigDict(frozen=True)

    target: TargetName = "local"
    size: Size = Size()
    replicas: int = Field(default=1, ge=1, le=1000, description="Replicas of each endpoint.")
    environment: Mapping[str, str] = Field(default_factory=dict)
    description: str = ""
    metadata: Mapping[str, str] = Field(default_factory=dict)
    deadline_seconds: float = Field(
        default=DEFAULT_DEADLINE_SECONDS,
        gt=0,
        le=86_400,
        description="From the start of its replicas to all of them ready.",
    )

    @field_validator("environment", "metadata")
    @classmethod
    def _fits_a_message(cls, values: Mapping[str, str]) -> Mapping[str, str]:
        if sum(len(name) + len(value) for name, value in values.items()) > LARGEST_ENVIRONMENT:
            raise ValueError(f"names and values together may have {LARGEST_ENVIRONMENT} characters")
        return values


class ReleaseRequest(BaseModel):
    """What to run: a version that exists, or the one that a running build will make."""

    model_config = ConfigDict(frozen=True)

    version: Version | None = None
    build: BuildId | None = Field(default=None, description="Wait for this build and run its version.")
    config: ReleaseConfig = ReleaseConfig()

    @model_validator(mode="after")
    def _one_of(self) -> "ReleaseRequest":
        if (self.version is None) == (self.build is None):
            raise ValueError("exactly one of version and build must be given")
        return self
