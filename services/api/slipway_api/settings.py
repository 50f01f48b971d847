"""Settings of the api."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from slipway_chassis.settings import ServiceSettings


class ApiSettings(ServiceSettings):
    """Where the api listens, where the others are, and its bounds."""

    host: str = Field(
        default="127.0.0.1", description="Address of the API; `::` stands for all, of IPv4 as well."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="Port of the API; 0 picks a free one.")
    database_url: SecretStr = Field(description="Where the projection is, as `postgresql://user:pw@host/db`.")
    gateway_url: str = Field(
        default="http://127.0.0.1:8000", description="Base of the endpoints' URLs, without a final slash."
    )
    log_timeout: timedelta = Field(
        default=timedelta(seconds=5), description="Longest wait for an answer of the log."
    )
    projection_timeout: timedelta = Field(
        default=timedelta(seconds=2), description="Longest wait of `at_least` for the projection."
    )
    longest_wait: timedelta = Field(
        default=timedelta(seconds=60), description="Upper bound of `Prefer: wait`."
    )
    build_timeout: timedelta = Field(
        default=timedelta(minutes=30), description="From the acceptance of a build to its deadline."
    )
    sweep_interval: timedelta = Field(
        default=timedelta(seconds=10), gt=timedelta(0), description="Time between two looks at reservations."
    )
    reservation_patience: timedelta = Field(
        default=timedelta(seconds=60),
        ge=timedelta(0),
        description="Added to `log_timeout`: age at which a reservation without a command is given back.",
    )
    heartbeat: timedelta = Field(
        default=timedelta(seconds=15), description="Longest silence of an event stream."
    )
    max_body_bytes: int = Field(default=256 << 10, gt=0, description="Largest JSON body.")
    max_artifact_bytes: int = Field(default=10 << 30, gt=0, description="Largest artifact.")
    refusals_within: timedelta = Field(
        default=timedelta(minutes=1),
        gt=timedelta(0),
        description="Like refused requests within this time are told once more, with their number.",
    )
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks, by comma, whose X-Forwarded-For names the client.",
    )
    gateway_silent_after: timedelta = Field(
        default=timedelta(seconds=15),
        gt=timedelta(0),
        description="Age of its record from which on a gateway counts as silent, and may be removed.",
    )
    feed_events: int = Field(default=4096, gt=0, description="Events held in memory for event streams.")
    feed_bytes: int = Field(default=16 << 20, gt=0, description="Bytes held in memory for event streams.")
    secret_keys: Path | None = Field(
        default=None, description="JSON file of the public keys to which secrets are sealed, by service."
    )
    endpoint_key_file: Path | None = Field(
        default=None, description="PEM file of the Ed25519 key that signs keys of endpoints."
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _only_networks(cls, given: str) -> str:
        """Refuse what would trust nobody, or everybody, without saying so."""
        for each in filter(None, given.split(",")):
            ip_network(each.strip())
        return given
