"""The manifest: what a user writes in `slipway.yaml`, after reading and checking."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from slipway_contracts.names import EndpointName


class ManifestFile(BaseModel):
    """A file that becomes a layer of its own, such as a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    path: str = Field(description="Relative to the manifest.")


class ManifestEndpoint(BaseModel):
    """One HTTP server; exactly one of `server-command`, `wsgi` and `asgi` says how to run it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    name: EndpointName
    description: str = ""
    image: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    server_command: str | None = Field(default=None, alias="server-command")
    wsgi: str | None = Field(default=None, pattern=r"^[\w.]+:[\w.]+$", description="`module:callable`")
    asgi: str | None = Field(default=None, pattern=r"^[\w.]+:[\w.]+$", description="`module:callable`")
    files: tuple[ManifestFile, ...] = ()
    health: str | None = Field(default=None, pattern=r"^/")
    timeout: float = Field(default=300.0, gt=0, le=86_400, description="Seconds, at most a day.")
    max_body: int | None = Field(default=None, gt=0, description="Bytes.")
    idempotent: bool = False

    @model_validator(mode="after")
    def _one_server(self) -> Self:
        given = [each for each in (self.server_command, self.wsgi, self.asgi) if each is not None]
        if len(given) != 1:
            raise ValueError(f"endpoint {self.name}: give exactly one of server-command, wsgi and asgi")
        return self


class Manifest(BaseModel):
    """All endpoints of a source, and what they need."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoints: tuple[ManifestEndpoint, ...] = Field(min_length=1)
    requirements: str | tuple[str, ...] | None = Field(default=None, description="A file, or a list.")
    python: str | None = None

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        fixed = [
            each.port
            for each in self.endpoints
            if each.port and "PORT" not in (each.server_command or "PORT")
        ]
        for port in fixed:
            if fixed.count(port) > 1:
                raise ValueError(f"several endpoints insist on port {port}; let them listen on $PORT")
        return self
