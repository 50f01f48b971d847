"""What one replica may use, where it may run, and what it is told: parts of a release's configuration."""

from pydantic import BaseModel, ConfigDict, Field

from slipway_contracts.names import SecretName


class Size(BaseModel):
    """What one replica may use."""

    model_config = ConfigDict(frozen=True)

    cpu: float = Field(default=1.0, gt=0, le=10_000, description="Cores.")
    memory_bytes: int = Field(default=1 << 30, gt=0)
    gpu: int = Field(default=0, ge=0, le=1024, description="Whole devices.")


class SecretRef(BaseModel):
    """Names one version of a group's secret; the value is opened where the replica starts."""

    model_config = ConfigDict(frozen=True)

    secret: SecretName
    version: int = Field(ge=1)


EnvironmentValue = str | SecretRef
"""A literal, or the name of a secret: no message holds a secret's value."""
