"""Settings of the gateway."""

import re
import socket
from pathlib import Path

from pydantic import Field
from slipway_chassis.settings import ServiceSettings


def _default_id() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()) or "gateway"


class GatewaySettings(ServiceSettings):
    """Where Envoy is, and under which name this gateway is known."""

    envoy_dir: Path = Field(
        default=Path("/var/lib/slipway/envoy"),
        description="Folder that `python -m slipway_gateway.bootstrap` prepared.",
    )
    envoy_admin: str = Field(
        default="/var/lib/slipway/envoy/admin.sock",
        description="Envoy's administration: path of its unix socket, or host:port.",
    )
    endpoint_jwks: Path | None = Field(
        default=None,
        description="JWKS file with the public keys of the api's endpoint keys; without it, deployments that "
        "want keys are not served.",
    )
    gateway_id: str = Field(
        default_factory=_default_id,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Names this gateway and its Envoy for good, over restarts.",
    )
