"""Bodies of requests that make a release: whole ones, and changes of what runs."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, model_validator
from slipway_contracts.names import DeploymentId, Digest, Label, TargetName
from slipway_contracts.release import DEFAULT_DEADLINE_SECONDS
from slipway_contracts.traffic import FULL_WEIGHT, LIVE_ALIAS

from slipway_api.bodies.requests import (
    Alias,
    Deadline,
    Description,
    Environment,
    EnvironmentGiven,
    InstanceType,
    Metadata,
    MetadataPatch,
    PullSecret,
    ReleaseNumber,
    Replicas,
    RequestBody,
    SizeBody,
    SizePatch,
    StrategyName,
    VariableName,
    VersionRef,
    Weight,
    bounded,
    unreserved,
)
from slipway_api.bodies.settings_bodies import SettingsBody


def _one_size(body: Any) -> Any:  # noqa: ANN401 - any body with these fields
    if {"size", "instance_type"} <= body.model_fields_set and None not in (body.size, body.instance_type):
        raise ValueError("give size or instance_type, not both")
    return body


class DeployBody(RequestBody):
    """A whole release: what is not given takes its default, not what ran before."""

    version: VersionRef | None = None
    source: Digest | None = Field(default=None, description="Uploaded source: build it, then deploy it.")
    label: Label | None = Field(default=None, description="Label of the version that `source` becomes.")
    alias: Alias = LIVE_ALIAS
    weight: Weight = FULL_WEIGHT
    target: TargetName = Field(default="local", description="Where it runs.")
    replicas: Replicas = 1
    size: SizeBody = SizeBody()
    instance_type: InstanceType | None = None
    strategy: StrategyName = "surge"
    image_pull_secret: PullSecret | None = None
    environment: Environment = Field(default_factory=dict)
    description: Description = ""
    metadata: Metadata = Field(default_factory=dict)
    deadline_seconds: Deadline = DEFAULT_DEADLINE_SECONDS

    @model_validator(mode="after")
    def _one_of(self) -> "DeployBody":
        if (self.version is None) == (self.source is None):
            raise ValueError("give exactly one of version and source")
        if self.label is not None and self.source is None:
            raise ValueError("label names the version that source becomes; a version has its label already")
        _one_size(self)
        return self


class CreateBody(DeployBody):
    """A new deployment and its first release."""

    id: DeploymentId = Field(description="Id of the deployment; never changes.", examples=["digits"])
    settings: SettingsBody = SettingsBody()

    @model_validator(mode="after")
    def _whole(self) -> "CreateBody":
        if self.weight != FULL_WEIGHT:
            raise ValueError(f"the first release gets all requests: leave out weight, or give {FULL_WEIGHT}")
        return self


_TAKEN: Final = "The alias whose release is changed, and which moves to the new one."
OfAlias = Annotated[Alias, Field(description=_TAKEN)]
KeptWeight = Annotated[
    Weight | None,
    Field(
        description="Part of the alias' requests that the new release gets, beside what serves now; "
        "default: it takes the place and the part of the release that it is made of."
    ),
]


class RedeployBody(RequestBody):
    """What shall differ from the release that serves the alias; everything else stays as it was."""

    alias: OfAlias = LIVE_ALIAS
    weight: KeptWeight = None
    version: VersionRef | None = None
    target: TargetName | None = None
    replicas: Replicas | None = None
    size: SizeBody | None = None
    instance_type: InstanceType | None = None
    strategy: StrategyName | None = None
    image_pull_secret: PullSecret | None = None
    environment: Environment | None = Field(default=None, description="Replaces the whole environment.")
    description: Description = ""
    metadata: Metadata | None = None
    deadline_seconds: Deadline | None = None

    @model_validator(mode="after")
    def _sized_once(self) -> "RedeployBody":
        _one_size(self)
        return self


EnvironmentPatch = Annotated[
    dict[VariableName, EnvironmentGiven | None],
    Field(max_length=200, examples=[{"LANG": "C", "DEBUG": None}]),
    AfterValidator(unreserved),
    AfterValidator(bounded),
]


class UpdateBody(RequestBody):
    """A merge patch (RFC 7396) of the release that serves the alias; null puts back the default."""

    alias: OfAlias = LIVE_ALIAS
    weight: KeptWeight = None
    version: VersionRef | None = None
    target: TargetName | None = None
    replicas: Replicas | None = None
    size: SizePatch | None = None
    instance_type: InstanceType | None = None
    strategy: StrategyName | None = None
    image_pull_secret: PullSecret | None = None
    environment: EnvironmentPatch | None = Field(default=None, description="null removes a variable.")
    description: Description | None = None
    metadata: MetadataPatch | None = Field(default=None, description="null removes an entry.")
    deadline_seconds: Deadline | None = None

    @model_validator(mode="after")
    def _sized_once(self) -> "UpdateBody":
        _one_size(self)
        if "version" in self.model_fields_set and self.version is None:
            raise ValueError("version cannot be removed: leave it out to keep it")
        return self


class RestartBody(RequestBody):
    """New replicas of the same."""

    alias: OfAlias = LIVE_ALIAS
    description: Description = ""


class ScaleBody(RequestBody):
    """More or fewer replicas of the same; those that stay are not touched."""

    replicas: Replicas
    alias: OfAlias = LIVE_ALIAS
    description: Description = ""


class RollbackBody(RequestBody):
    """An exact copy of an earlier release."""

    to: ReleaseNumber | None = Field(
        default=None,
        description="The release to copy, which then serves the alias alone; default: what served it before, "
        "in its parts.",
    )
    alias: Alias = LIVE_ALIAS
    description: Description | None = Field(default=None, description="Default: `rollback to N`.")
