"""Bodies of requests: strict, no unknown field, nothing that the log or the projection could not hold.

The fields that several bodies have are here; those of releases and of settings are in modules of their own.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)
from slipway_contracts.installation_events import RoleGrant
from slipway_contracts.names import AliasName, Digest, GroupName, InstanceTypeName, Label, SecretName
from slipway_contracts.release import LARGEST_ENVIRONMENT
from slipway_contracts.size import Size

MAX_REPLICAS: Final = 1000
USER_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9.@_-]{0,127}$"
_RESERVED: Final = frozenset({"PORT"})
_LONGEST_REFERENCE: Final = 80


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character NUL")
    return text


class RequestBody(BaseModel):
    """Strict: `"2"` is no number, and an unknown field is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SecretUse(RequestBody):
    """Names a secret of the group in the place of a value."""

    secret: SecretName = Field(description="Name of the secret.", examples=["database-url"])
    version: int | None = Field(default=None, ge=1, description="Default: the newest, as it is now.")


Text = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_storable)]
Value = Annotated[str, StringConstraints(max_length=32_768), AfterValidator(_storable)]
VariableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,254}$")]
MetadataName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$")]


def _kind_of_value(value: Any) -> str:  # noqa: ANN401 - any JSON
    return "(secret)" if isinstance(value, dict | SecretUse) else "(literal)"


EnvironmentGiven = Annotated[
    Annotated[Value, Tag("(literal)")] | Annotated[SecretUse, Tag("(secret)")], Discriminator(_kind_of_value)
]
"""A literal or a secret; the tags, in parentheses, never reach the pointer of a refused field."""


def unreserved(environment: Mapping[str, object]) -> Mapping[str, object]:
    """Refuse the variables that the platform sets."""
    taken = sorted(_RESERVED & environment.keys())
    if taken:
        raise ValueError(f"{', '.join(taken)} is set by the platform and cannot be given")
    return environment


def bounded(values: Mapping[str, object]) -> Mapping[str, object]:
    """Refuse more than a message takes."""
    lengths = (len(value) if isinstance(value, str) else _LONGEST_REFERENCE for value in values.values())
    if sum(map(len, values)) + sum(lengths) > LARGEST_ENVIRONMENT:
        raise ValueError(f"names and values together may have {LARGEST_ENVIRONMENT} characters")
    return values


Environment = Annotated[
    dict[VariableName, EnvironmentGiven],
    Field(
        max_length=200,
        description="Environment variables of every replica: literals, or secrets of the group by name.",
        examples=[{"LANG": "C", "DATABASE_URL": {"secret": "database-url"}}],
    ),
    AfterValidator(unreserved),
    AfterValidator(bounded),
]
Metadata = Annotated[
    dict[MetadataName, Text],
    Field(max_length=50, description="Kept, never interpreted.", examples=[{"git": "1f3c"}]),
    AfterValidator(bounded),
]
MetadataPatch = Annotated[
    dict[MetadataName, Text | None],
    Field(max_length=50, examples=[{"git": "1f3c", "ticket": None}]),
    AfterValidator(bounded),
]
Replicas = Annotated[
    int, Field(ge=1, le=MAX_REPLICAS, description="Replicas of each endpoint.", examples=[2])
]
Description = Annotated[Text, Field(description="Why this release was made.", examples=["new weights"])]
Deadline = Annotated[
    float,
    Field(
        gt=0,
        le=86_400,
        allow_inf_nan=False,
        description="From the start of its replicas to all of them ready.",
        examples=[120],
    ),
]
VersionRef = Annotated[Label, Field(description="Label or id of a version.", examples=["20260101.1"])]
ReleaseNumber = Annotated[int, Field(ge=1, le=2**31 - 1, description="Number of a release.", examples=[7])]
Alias = Annotated[
    AliasName,
    Field(description="The alias that moves to the release once that is ready.", examples=["staging"]),
]
Weight = Annotated[int, Field(ge=1, le=100, description="Part of the alias' requests, in percent.")]
InstanceType = Annotated[
    InstanceTypeName,
    Field(description="Named size of one replica, in the place of `size`.", examples=["small"]),
]
StrategyName = Annotated[
    Literal["surge", "in-place"],
    Field(
        description="`surge`: new replicas are ready before the old ones go. `in-place`: the old ones go "
        "first, which needs no room, and nothing answers in between."
    ),
]
PullSecret = Annotated[SecretUse, Field(description="Secret with which images are pulled.")]


Cores = Annotated[float, Field(gt=0, le=1024, allow_inf_nan=False, description="Cores.")]
Memory = Annotated[int, Field(gt=0, le=1 << 50)]
Devices = Annotated[int, Field(ge=0, le=1024, description="Whole devices.")]


class SizeBody(RequestBody):
    """What one replica may use."""

    cpu: Cores = 1.0
    memory_bytes: Memory = 1 << 30
    gpu: Devices = 0

    def size(self) -> Size:
        """Return the size as the contracts know it."""
        return Size(cpu=self.cpu, memory_bytes=self.memory_bytes, gpu=self.gpu)


class SizePatch(RequestBody):
    """What of the size shall differ; null puts back the default."""

    cpu: Cores | None = None
    memory_bytes: Memory | None = None
    gpu: Devices | None = None

    def applied_to(self, size: Size) -> Size:
        """Return the size after the patch."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        kept = {name: value for name, value in dict(size).items() if name not in given}
        return Size.model_validate(kept | {name: value for name, value in given.items() if value is not None})


class BuildBody(RequestBody):
    """A build of an uploaded source."""

    source: Digest = Field(description="Digest of the uploaded tar.gz.")
    label: Label | None = Field(default=None, description="Label of the version; else `YYYYMMDD.N`.")


class GrantBody(RequestBody):
    """A role in one group, or in all of them."""

    group: Literal["*"] | GroupName
    role: Literal["viewer", "deployer", "admin"]

    def grant(self) -> RoleGrant:
        """Return the grant as the contracts know it."""
        return RoleGrant(group=self.group, role=self.role)


class KeyBody(RequestBody):
    """A new API key."""

    user: Annotated[str, StringConstraints(pattern=USER_PATTERN)] = Field(
        description="Shown wherever something says who did it.", examples=["ada"]
    )
    grants: list[GrantBody] = Field(min_length=1, max_length=100)
