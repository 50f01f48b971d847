"""Settings that every service has, read once from `SLIPWAY_*` variables and passed down.

Knows no file formats and no defaults of single services: those subclass `ServiceSettings`.
"""

import difflib
import os
import re
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from slipway_chassis.errors import SlipwayError

PREFIX: Final = "SLIPWAY_"
_NATS_ADDRESS: Final = re.compile(r"^(nats|tls)://[^:/,\s]+(:\d{1,5})?$")


class SettingsError(SlipwayError):
    """A variable is unknown, missing or has no usable value; the message names it."""


def _default_instance() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


class ServiceSettings(BaseSettings):
    """Base of every service's settings; an unknown `SLIPWAY_*` variable fails the start with its name."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    nats_url: str = Field(default="nats://127.0.0.1:4222", description="Where the log is; several, by comma.")
    nats_user: str | None = Field(default=None, description="This service's user of the log.")
    nats_password: SecretStr | None = Field(default=None, description="Password of that user.")
    blob_root: Path = Field(default=Path("/var/lib/slipway/blobs"), description="Folder of the blob store.")
    probe_host: str = Field(default="127.0.0.1", description="Address of /healthz, /readyz and /metrics.")
    probe_port: int = Field(default=0, ge=0, le=65535, description="Port of the probes; 0 picks a free one.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    service_instance: str = Field(
        default_factory=_default_instance,
        min_length=1,
        description="Names this process among its replicas.",
    )
    stop_timeout: timedelta = Field(
        default=timedelta(seconds=15),
        description="Time for work in hand after SIGTERM, then it is ended.",
    )
    traces_file: Path | None = Field(default=None, description="Append finished spans here, as JSON lines.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_variables(cls, values: Mapping[str, object]) -> Mapping[str, object]:
        known = {PREFIX + name.upper() for name in cls.model_fields}
        for name in sorted(os.environ):
            if name.upper().startswith(PREFIX) and name.upper() not in known:
                raise ValueError(_unknown(name, known))
        return values

    @field_validator("nats_url")
    @classmethod
    def _refuse_other_addresses(cls, value: str) -> str:
        # No websocket addresses: that part of the client is left out.
        if not all(_NATS_ADDRESS.match(address) for address in value.split(",")):
            raise ValueError("expected an address like nats://127.0.0.1:4222")
        return value

    @classmethod
    def load(cls) -> Self:
        """Read the environment.

        Raises:
            SettingsError: a variable is unknown, missing or not usable; the message holds no secret value.
        """
        try:
            return cls()
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None


def _unknown(name: str, known: set[str]) -> str:
    nearest = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.0)
    return f"{name} is not a setting of this service; the nearest valid name is {nearest[0]}"


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        variable = PREFIX + ".".join(str(part) for part in problem["loc"]).upper() if problem["loc"] else ""
        reason = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{variable}: {reason}" if variable else reason)
    return "; ".join(lines)
