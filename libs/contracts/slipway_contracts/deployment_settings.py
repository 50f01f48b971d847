"""What a user says about a deployment as a whole, whatever release runs."""

from collections.abc import Mapping

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.access import Access
from slipway_contracts.names import Name

DEFAULT_STOP_DEADLINE_SECONDS = 300.0
DEFAULT_RENAME_GRACE_SECONDS = 86_400.0


class FormerName(BaseModel):
    """A name that a deployment had, under which it is still called for a while."""

    model_config = ConfigDict(frozen=True)

    name: Name
    until: AwareDatetime


class DeploymentSettings(BaseModel):
    """Always the full value; changing it makes no release and touches no replica."""

    model_config = ConfigDict(frozen=True)

    name: Name | None = Field(default=None, description="Its place in the URL path; None: its id.")
    description: str = ""
    metadata: Mapping[str, str] = Field(default_factory=dict)
    access: Access = Access()
    stop_deadline_seconds: float = Field(
        default=DEFAULT_STOP_DEADLINE_SECONDS, gt=0, le=86_400, description="For a stop or a delete to end."
    )
    rename_grace_seconds: float = Field(
        default=DEFAULT_RENAME_GRACE_SECONDS,
        ge=0,
        le=30 * 86_400,
        description="How long a former name is still routed.",
    )
