"""Bodies of requests about a deployment as a whole: settings, aliases, access."""

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator
from slipway_contracts.deployment_settings import (
    DEFAULT_RENAME_GRACE_SECONDS,
    DEFAULT_STOP_DEADLINE_SECONDS,
    DeploymentSettings,
)
from slipway_contracts.names import Name
from slipway_contracts.traffic import FULL_WEIGHT, TrafficShare

from slipway_api.bodies.requests import (
    Metadata,
    MetadataPatch,
    ReleaseNumber,
    RequestBody,
    Text,
    VersionRef,
    Weight,
)

_DAY: Final = 86_400.0
_LONGEST_KEY: Final = 3650 * _DAY

PathName = Annotated[
    Name, Field(description="Its place in the URL path, in the place of the id.", examples=["numbers"])
]
About = Annotated[Text, Field(description="What the deployment is for.", examples=["Reads digits."])]
StopDeadline = Annotated[
    float, Field(gt=0, le=_DAY, allow_inf_nan=False, description="For a stop or a delete to end.")
]
RenameGrace = Annotated[
    float, Field(ge=0, le=30 * _DAY, allow_inf_nan=False, description="How long a former name is routed.")
]


class SettingsBody(RequestBody):
    """How a deployment begins."""

    name: PathName | None = None
    description: About = ""
    metadata: Metadata = Field(default_factory=dict)
    stop_deadline_seconds: StopDeadline = DEFAULT_STOP_DEADLINE_SECONDS
    rename_grace_seconds: RenameGrace = DEFAULT_RENAME_GRACE_SECONDS

    def settings(self) -> DeploymentSettings:
        """Return the full value."""
        return DeploymentSettings.model_validate(self.model_dump())


class SettingsPatch(RequestBody):
    """What shall differ; null puts back the default. No release is made, no replica is touched."""

    name: PathName | None = Field(default=None, description="null: its id is its place again.")
    description: About | None = None
    metadata: MetadataPatch | None = Field(default=None, description="null removes an entry.")
    stop_deadline_seconds: StopDeadline | None = None
    rename_grace_seconds: RenameGrace | None = None

    def applied_to(self, settings: DeploymentSettings) -> DeploymentSettings:
        """Return the full new value.

        Raises:
            ValidationError: the metadata together break the rules.
        """
        given = self.model_fields_set - {"metadata"}
        changes = {name: getattr(self, name) for name in given if getattr(self, name) is not None}
        kept = settings.model_dump(exclude=set(given) | {"metadata"})
        metadata = dict(settings.metadata)
        if "metadata" in self.model_fields_set:
            metadata = patched(metadata, self.metadata)
        whole = SettingsBody.model_validate(
            {name: value for name, value in kept.items() if name != "access"}
            | changes
            | {"metadata": metadata}
        )
        return whole.settings().model_copy(update={"access": settings.access})


def patched(values: dict[str, str], patch: dict[str, str | None] | None) -> dict[str, str]:
    """Return the values after a merge patch; None removes one, or all."""
    if patch is None:
        return {}
    kept = {name: value for name, value in values.items() if name not in patch}
    return kept | {name: value for name, value in patch.items() if value is not None}


class ShareBody(RequestBody):
    """The part of an alias' requests that one release gets."""

    release: ReleaseNumber
    weight: Weight


class AliasBody(RequestBody):
    """Where an alias shall point: at releases by weight, at one release, or at one version."""

    shares: list[ShareBody] | None = Field(default=None, min_length=1, max_length=20)
    release: ReleaseNumber | None = Field(default=None, description="All requests go to this release.")
    version: VersionRef | None = Field(
        default=None, description="All requests go to the newest release of this version that was ready."
    )

    @model_validator(mode="after")
    def _one_of(self) -> "AliasBody":
        if [self.shares, self.release, self.version].count(None) != 2:  # noqa: PLR2004
            raise ValueError("give exactly one of shares, release and version")
        if self.shares is not None:
            _check(self.shares)
        return self

    def traffic(self) -> tuple[TrafficShare, ...] | None:
        """Return what is asked for by release numbers; None: a version was named."""
        if self.release is not None:
            return (TrafficShare(release=self.release, weight=FULL_WEIGHT),)
        if self.shares is None:
            return None
        return tuple(TrafficShare(release=each.release, weight=each.weight) for each in self.shares)


def _check(shares: list[ShareBody]) -> None:
    if len({share.release for share in shares}) < len(shares):
        raise ValueError("each release may be named once")
    total = sum(share.weight for share in shares)
    if total != FULL_WEIGHT:
        raise ValueError(f"the weights are {total} together; they must be {FULL_WEIGHT}")


AccountName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    Field(description="Who calls.", examples=["shop"]),
]
Expiry = Annotated[
    float,
    Field(gt=0, le=_LONGEST_KEY, allow_inf_nan=False, description="From now on; default: it never expires."),
]


class AccessBody(RequestBody):
    """Who may call the endpoints of a deployment."""

    mode: Literal["open", "basic", "keys"]


class EndpointKeyBody(RequestBody):
    """A new key of the endpoints."""

    name: AccountName
    expires_in_seconds: Expiry | None = None


class RotateKeyBody(RequestBody):
    """Another token in the place of one that is used."""

    expires_in_seconds: Expiry | None = Field(default=None, description="None: as long as the old one had.")
    grace_seconds: float = Field(
        default=0, ge=0, le=30 * _DAY, allow_inf_nan=False, description="How long the old one still opens."
    )


class BasicUserBody(RequestBody):
    """A new user of basic authentication."""

    name: AccountName
