"""Bodies of requests about webhooks."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AnyHttpUrl, Field, StringConstraints, TypeAdapter, ValidationError
from slipway_chassis.feed import is_wanted
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.names import DeploymentId

from slipway_api.bodies.requests import RequestBody, Text

_URL: Final[TypeAdapter[AnyHttpUrl]] = TypeAdapter(AnyHttpUrl)
_DAY_SECONDS: Final = 86_400
_DEFAULTS: Final[Mapping[str, Any]] = {
    "description": "",
    "types": (),
    "format": "cloudevents",
    "disabled": False,
}


def _usable_url(text: str) -> str:
    try:
        url = _URL.validate_python(text)
    except ValidationError:
        raise ValueError("must be an absolute URL that begins with https:// or http://") from None
    if url.username is not None or url.password is not None:
        raise ValueError("must hold no user and no password: deliveries are signed, and others may read it")
    if url.fragment is not None:
        raise ValueError("must have no fragment (#)")
    return str(url)


def _known_type(text: str) -> str:
    if not any(is_wanted(name, (text,)) for name in MESSAGE_TYPES):
        raise ValueError("no type of event begins like this; the docs list them, as release.live.v1")
    return text


Url = Annotated[str, StringConstraints(max_length=2048), AfterValidator(_usable_url)]
TypePrefix = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_known_type)]
Types = Annotated[list[TypePrefix], Field(max_length=50)]
_TYPES: Final = "Types, or their begin up to a dot; empty: all but `desired.v1` and `request.refused.v1`."
_AFTER: Final = "Send what lies behind this sequence of the log; 0: everything there is."
Format = Literal["cloudevents", "cdevents"]
_FORMAT: Final = (
    "`cloudevents`: the messages of the log. `cdevents`: what they mean in CDEvents, as in a stream with "
    "`format=cdevents`; what means nothing there is not sent."
)
Position = Annotated[int | None, Field(ge=0, le=2**63 - 1, description=_AFTER)]


class WebhookBody(RequestBody):
    """Where events are sent, and which."""

    url: Url = Field(examples=["https://ops.example.com/slipway"])
    description: Text = ""
    types: Types = Field(default_factory=list, description=_TYPES, examples=[["release.failed", "build"]])
    deployment: DeploymentId | None = Field(default=None, description="Only its events; default: all.")
    format: Format = Field(default="cloudevents", description=_FORMAT)
    after: Position = None


class WebhookPatch(RequestBody):
    """What shall be different; whatever it holds, a webhook that waits is tried at once."""

    url: Url | None = Field(default=None, examples=["https://ops.example.com/slipway"])
    description: Text | None = None
    types: Types | None = Field(default=None, description=_TYPES)
    deployment: DeploymentId | None = Field(default=None, description="null: events of all deployments.")
    format: Format | None = Field(default=None, description=_FORMAT)
    disabled: bool | None = Field(
        default=None, description="false: it goes on where it stopped, or behind `after`."
    )
    after: Position = None

    def changes(self) -> dict[str, Any]:
        """Return the fields to set; null puts back the default, where there is one."""
        changes = {name: getattr(self, name) for name in self.model_fields_set}
        for name, default in _DEFAULTS.items():
            if name in changes and changes[name] is None:
                changes[name] = default
        if "types" in changes:
            changes["types"] = tuple(changes["types"])
        if changes.get("url", "") is None:
            del changes["url"]
        return changes


class RotateSecretBody(RequestBody):
    """How long the secret before signs as well."""

    grace_seconds: int = Field(
        default=_DAY_SECONDS,
        ge=0,
        le=7 * _DAY_SECONDS,
        description="Both sign meanwhile; 0: only the new one.",
    )
