"""Answers about groups, instance types, targets, secrets and artifacts."""

from collections.abc import Mapping

from pydantic import AwareDatetime, Field
from slipway_contracts.installation_events import Member, Quota
from slipway_contracts.quota import Charge
from slipway_contracts.size import Size

from slipway_api.answers.views import Group, Target, View


class GroupDetail(Group):
    """A group, and what it holds of its quota."""

    deployments_enabled: bool
    quota: Quota
    use: Charge | None = Field(description="What its deployments hold; null: Postgres does not answer.")
    members: list[Member]
    etag: str = Field(description="Give it as `If-Match`, to change only what you have seen.")


class InstanceType(View):
    """A named size of one replica."""

    name: str
    description: str
    size: Size
    node_selector: Mapping[str, str]


class Room(View):
    """An amount of what a target has."""

    cpu: float = Field(description="Cores.")
    memory_bytes: int
    gpu: int


class UnknownWorkload(View):
    """A workload that a target runs and no deployment wants; it is reported, and left alone."""

    group: str
    deployment: str
    workload: str
    seen_at: AwareDatetime


class TargetDetail(Target):
    """A target: what it has, what is held of it, and whether it is watched."""

    capacity: Room = Field(description="What it has.")
    allocatable: Room = Field(
        description="What all replicas together may ask for; more than `capacity` on a target that lets them "
        "share."
    )
    used: Charge | None = Field(description="What deployments hold of it; null: Postgres does not answer.")
    free: Room | None = Field(description="What is left of `allocatable`.")
    overcommitted: bool | None = Field(
        description="`used` is more than `capacity`, so that replicas get less than their size when all use "
        "it at once; null: Postgres does not answer."
    )
    notices: list[str] = Field(description="What that means, with numbers.")
    health: str = Field(description="`watched`, or `lost`: its deployments are UNKNOWN.")
    lost_since: AwareDatetime | None = None
    unknown_workloads: list[UnknownWorkload] | None = Field(
        default=None, description="Of your groups; null: Postgres does not answer."
    )


class Gateway(View):
    """Who routes requests, and how far it has followed the log."""

    name: str
    applied: int = Field(description="Sequence of the log that its Envoy has confirmed.")
    held: dict[str, int] = Field(
        description="Deployments (`<group>/<deployment>`) whose record from this sequence on is not applied."
    )
    envoy: str = Field(description="`ok` or `down`.")
    heard_at: AwareDatetime = Field(description="When it last wrote its record.")
    silent: bool = Field(description="It has not for long. Changes of routes wait for it all the same.")


class SecretView(View):
    """A secret, never its value."""

    name: str
    version: int = Field(description="The newest.")
    created_at: AwareDatetime
    changed_at: AwareDatetime
    changed_by: str


class StoredArtifact(View):
    """An artifact of a group."""

    digest: str
    size_bytes: int | None = Field(description="null: its bytes are no longer stored.")
    name: str | None = Field(default=None, description="Where it was adopted from.")
    origin: str = Field(description="`adopted`, `source` of a build, or just `uploaded`.")
    created_at: AwareDatetime | None = Field(default=None, description="When it was adopted, or first built.")
    created_by: str | None = None
    hidden: bool
    deployments: list[str] = Field(default_factory=list, description="Those that were built from it.")


class FoundFile(View):
    """A file that was placed in storage by hand."""

    path: str
    size_bytes: int
    modified_at: AwareDatetime
