"""The root of every message body."""

from pydantic import BaseModel, ConfigDict

from slipway_contracts.names import DeploymentId, GroupName


class Message(BaseModel):
    """Frozen; its `type` literal discriminates; unknown fields are ignored on read."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str


class DeploymentMessage(Message):
    """A message that belongs to one deployment."""

    group: GroupName
    deployment: DeploymentId
