"""The manifest: what a user writes in `slipway.yaml`, after reading and checking."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from slipway_contracts.names import EndpointName

LARGEST_SMOKE_TEST: Final = 16 << 10
"""Characters of what is sent and what is expected; a desired record repeats them per endpoint."""

HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t -~]*$", max_length=4096)]


def _or_with_unit(schema: dict[str, Any]) -> None:
    """Allow the string that a file may have in place of the number: its reader makes the number of it."""
    written = {"type": "string"}
    if "anyOf" in schema:
        schema["anyOf"].append(written)
    else:
        limits = ("type", "exclusiveMinimum", "maximum")
        schema["anyOf"] = [{name: schema.pop(name) for name in limits if name in schema}, written]


class ManifestFile(BaseModel):
    """A file that becomes a layer of its own, such as a model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    path: str = Field(description="Relative to the manifest.")


class ManifestExpectation(BaseModel):
    """What the answer to a smoke test has to be."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    status: int = Field(default=200, ge=100, le=599)
    shape: JsonValue = Field(
        default=None,
        alias="json",
        description="The answer must have these members and items, each of the same JSON type; null: any.",
    )
    latency: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="Seconds; or written as `500ms`.",
        json_schema_extra=_or_with_unit,
    )


class ManifestSmokeTest(BaseModel):
    """A request that every new replica has to answer as expected before it gets traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    method: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{1,16}$",
        description="`GET`, or `POST` where there is something to send.",
    )
    path: str = Field(pattern=r"^/[!-~]*$", description="At the replica, without the gateway's prefix.")
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    body: str | None = Field(default=None, description="Sent as it is.")
    document: JsonValue = Field(default=None, alias="json", description="Sent as JSON.")
    expect: ManifestExpectation = ManifestExpectation()

    @model_validator(mode="after")
    def _can_be_sent(self) -> Self:
        if self.body is not None and self.document is not None:
            raise ValueError("smoke-test: give one of body and json")
        try:
            documents = [json.dumps(each, allow_nan=False) for each in (self.document, self.expect.shape)]
        except ValueError:
            raise ValueError("smoke-test: json holds a number that JSON does not know") from None
        if sum(map(len, (self.body or "", *documents))) > LARGEST_SMOKE_TEST:
            raise ValueError(f"smoke-test: it may send and expect {LARGEST_SMOKE_TEST} characters in all")
        return self


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
    timeout: float = Field(
        default=300.0,
        gt=0,
        le=86_400,
        description="Seconds, at most a day; or written as `30s`, `5m`.",
        json_schema_extra=_or_with_unit,
    )
    max_body: int | None = Field(
        default=None,
        gt=0,
        description="Bytes; or written as `10MB`.",
        json_schema_extra=_or_with_unit,
    )
    idempotent: bool = False
    smoke_test: ManifestSmokeTest | None = Field(default=None, alias="smoke-test")

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
