"""What a gateway says of itself, as the value of its key in the bucket `gateways`."""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class GatewayRecord(BaseModel):
    """Rewritten after each applied change, every few seconds, and quickly while something drains.

    `active` has an entry for each workload that stands in no route, and `leaving` one for each replica
    (`<workload>/<replica>`) that gets no new requests, with the requests they still work on; an entry is
    written only from a sample taken after the switch was confirmed.
    """

    model_config = ConfigDict(frozen=True)

    gateway: str
    held: Mapping[str, int] = Field(
        default_factory=dict,
        description="Deployments (`<group>/<deployment>`) whose record from this sequence on is not applied.",
    )
    applied: int = Field(
        ge=0, description="Sequence of the log up to which Envoy has confirmed the configuration."
    )
    active: Mapping[str, int] = Field(default_factory=dict)
    leaving: Mapping[str, int] = Field(default_factory=dict)
    envoy: Literal["ok", "down"] = "ok"
    at: AwareDatetime

    def has_applied(self, deployment: str, revision: int) -> bool:
        """Whether Envoy has confirmed this revision of `<group>/<deployment>`."""
        return self.applied >= revision and self.held.get(deployment, revision + 1) > revision
