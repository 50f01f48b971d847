"""Releases: one deploy, with its complete configuration."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, field_validator

from slipway_contracts.names import InstanceTypeName, TargetName
from slipway_contracts.size import EnvironmentValue, SecretRef, Size

DEFAULT_DEADLINE_SECONDS = 300.0
LARGEST_ENVIRONMENT = 32 << 10
"""Characters of all names and values; a desired record repeats them per endpoint and has to fit a message."""


_LONGEST_REFERENCE = 80


class Strategy(StrEnum):
    """How the replicas of a release take the place of those before."""

    SURGE = "surge"
    """The new ones are ready before the old ones go: no request is lost, both need room for a while."""
    IN_PLACE = "in-place"
    """The old ones go first: no room is needed, and nothing answers in between."""


class ReleaseConfig(BaseModel):
    """Everything about a release but its version: enough to run it again exactly."""

    model_config = ConfigDict(frozen=True)

    target: TargetName = "local"
    instance_type: InstanceTypeName | None = Field(
        default=None, description="Where `size` and `node_selector` came from."
    )
    size: Size = Size()
    node_selector: Mapping[str, str] = Field(default_factory=dict)
    replicas: int = Field(default=1, ge=1, le=1000, description="Replicas of each endpoint.")
    environment: Mapping[str, EnvironmentValue] = Field(default_factory=dict)
    image_pull_secret: SecretRef | None = None
    strategy: Strategy = Strategy.SURGE
    restart: int = Field(default=0, ge=0, description="Raised to get new replicas of the same.")
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
    def _fits_a_message(cls, values: Mapping[str, EnvironmentValue]) -> Mapping[str, EnvironmentValue]:
        lengths = (len(value) if isinstance(value, str) else _LONGEST_REFERENCE for value in values.values())
        if sum(map(len, values)) + sum(lengths) > LARGEST_ENVIRONMENT:
            raise ValueError(f"names and values together may have {LARGEST_ENVIRONMENT} characters")
        return values
