"""Bodies of requests about groups, instance types, secrets and artifacts."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, field_validator, model_validator
from slipway_chassis.secrets import LARGEST_VALUE
from slipway_contracts.installation_events import GroupConfigured, InstanceTypeConfigured, Member, Quota
from slipway_contracts.names import DeploymentId, Label

from slipway_api.bodies.requests import MetadataName, RequestBody, SizeBody, Text

UserName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.@_-]{0,127}$")]
Limit = Annotated[int | None, Field(ge=0, le=2**53, description="null: no limit.")]


class QuotaBody(RequestBody):
    """The most that the deployments of a group may hold together."""

    deployments: Limit = None
    replicas: Limit = None
    cpu: float | None = Field(default=None, ge=0, allow_inf_nan=False, description="Cores; null: no limit.")
    memory_bytes: Limit = None
    gpu: Limit = None


class MemberBody(RequestBody):
    """A user and what the user may do in the group."""

    user: UserName = Field(examples=["ada"])
    role: Literal["viewer", "deployer", "admin"]


def _once_each(members: Sequence[MemberBody]) -> Sequence[MemberBody]:
    users = [member.user for member in members]
    twice = sorted({user for user in users if users.count(user) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} may be listed once only, with the highest role")
    return members


class GroupBody(RequestBody):
    """A group as it shall be: what is left out takes its default."""

    description: Text = ""
    deployments_enabled: bool = Field(default=True, description="Whether it may deploy at all.")
    quota: QuotaBody = QuotaBody()
    members: Annotated[list[MemberBody], AfterValidator(_once_each)] = Field(
        default_factory=list, max_length=1000
    )

    def configured(self, name: str) -> GroupConfigured:
        """Return the group as the log has it."""
        return GroupConfigured(
            group=name,
            description=self.description,
            deployments_enabled=self.deployments_enabled,
            quota=Quota.model_validate(self.quota.model_dump()),
            members=tuple(Member(user=member.user, role=member.role) for member in self.members),
        )


class InstanceTypeBody(RequestBody):
    """A named size, and where it may run."""

    description: Text = ""
    size: SizeBody
    node_selector: dict[MetadataName, Text] = Field(
        default_factory=dict, max_length=50, description="Labels that a node must have; Kubernetes only."
    )

    def configured(self, name: str, *, by: str) -> InstanceTypeConfigured:
        """Return the instance type as the log has it."""
        return InstanceTypeConfigured(
            name=name,
            description=self.description,
            size=self.size.size(),
            node_selector=self.node_selector,
            by=by,
        )


class SecretBody(RequestBody):
    """The value of a new version of a secret; it is sealed at once and never shown again."""

    value: SecretStr = Field(
        min_length=1,
        description=f"Text of at most {LARGEST_VALUE} bytes in UTF-8, without the character NUL.",
        json_schema_extra={"maxLength": LARGEST_VALUE},
    )

    @field_validator("value")
    @classmethod
    def _fits(cls, value: SecretStr) -> SecretStr:
        # Whatever is the matter, the message must not show the value.
        plain = value.get_secret_value()
        try:
            size = len(plain.encode())
        except UnicodeEncodeError:
            raise ValueError("must be text that UTF-8 can write") from None
        if size > LARGEST_VALUE:
            raise ValueError(f"must have at most {LARGEST_VALUE} bytes")
        if "\x00" in plain:
            raise ValueError("must not contain the character NUL")
        return value


class AdoptBody(RequestBody):
    """A file that was placed in storage by hand, and what it shall become."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(
        description="As `found` lists it.", examples=["models/digits.tar.gz"]
    )
    as_: Literal["artifact", "version"] = Field(
        default="artifact", alias="as", description="`version` builds it: it must be a source, as a tar.gz."
    )
    deployment: DeploymentId | None = Field(default=None, description="Of the version.")
    label: Label | None = Field(default=None, description="Of the version; else `YYYYMMDD.N`.")

    @model_validator(mode="after")
    def _complete(self) -> "AdoptBody":
        if (self.as_ == "version") != (self.deployment is not None):
            raise ValueError("deployment belongs to a version: give both or none")
        if self.label is not None and self.as_ != "version":
            raise ValueError("label belongs to a version")
        return self
