"""Commands: imperative requests; the id of a command is the id of its operation."""

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.message import DeploymentMessage
from slipway_contracts.names import AliasName, BuildId, Digest, Label, VersionId
from slipway_contracts.traffic import AliasRoute, ReleaseRequest, RestoredRelease, TrafficShare


class _Command(DeploymentMessage):
    by: str = Field(description="User who asked.")
    request_digest: str = Field(description="Hash of the request: the same id with another one is refused.")


class Build(_Command):
    """Make a version from an uploaded source; consumed by the builder."""

    type: Literal["command.build.v1"] = "command.build.v1"
    source: Digest = Field(description="Blob that holds the tar.gz.")
    label: Label | None = Field(default=None, description="Label of the version; None: `YYYYMMDD.N`.")
    deadline_at: AwareDatetime


class CancelBuild(_Command):
    """End a build at once; consumed by the builder."""

    type: Literal["command.cancel-build.v1"] = "command.cancel-build.v1"
    build: BuildId


class VersionImages(BaseModel):
    """Names the images of a version."""

    model_config = ConfigDict(frozen=True)

    id: VersionId
    label: Label
    images: tuple[Digest, ...]


class RemoveVersions(_Command):
    """Take the images of versions out of the store, but for what other versions use; consumed by the builder.

    Emitted by the deployer: by retention, or for a delete that unloads or purges.
    """

    type: Literal["command.remove-versions.v1"] = "command.remove-versions.v1"
    versions: tuple[VersionImages, ...] = Field(min_length=1)
    cause: Literal["retention", "unload", "purge"]


class _RunCommand(_Command):
    request: ReleaseRequest
    aliases: tuple[AliasRoute, ...] = Field(
        default=(),
        description="Of a stopped deployment: the aliases beside that of the request, as they were.",
    )
    restored: tuple[RestoredRelease, ...] = Field(default=(), description="The releases of these aliases.")


class Deploy(_RunCommand):
    """Make a release of another version; consumed by the deployer."""

    type: Literal["command.deploy.v1"] = "command.deploy.v1"
    settings: DeploymentSettings | None = Field(
        default=None, description="Of the first command of a deployment: how it begins."
    )


class Redeploy(_RunCommand):
    """Make a release like an earlier one, but for what was asked; consumed by the deployer."""

    type: Literal["command.redeploy.v1"] = "command.redeploy.v1"
    cause: Literal["redeploy", "restart", "scale", "update", "rollback"] = "redeploy"


class Start(_RunCommand):
    """Run a stopped deployment again, as it was; consumed by the deployer."""

    type: Literal["command.start.v1"] = "command.start.v1"


class Stop(_Command):
    """Take a deployment off its route and end its replicas; consumed by the deployer."""

    type: Literal["command.stop.v1"] = "command.stop.v1"


class Delete(_Command):
    """Stop a deployment and take it out of every list; consumed by the deployer.

    `hide` keeps every byte: `undelete` brings all of it back. `unload` also removes the images of its
    versions, which have to be built again.
    """

    type: Literal["command.delete.v1"] = "command.delete.v1"
    level: Literal["hide", "unload"] = "hide"
    versions: tuple[VersionImages, ...] = Field(default=(), description="What `unload` removes.")


class Undelete(_Command):
    """Bring a deleted deployment back, stopped; consumed by the deployer."""

    type: Literal["command.undelete.v1"] = "command.undelete.v1"


class Purge(_Command):
    """Delete a deployment for good, its images and history too; consumed by the deployer.

    Releases of a deployment that is created again under its id go on with the next number.
    """

    type: Literal["command.purge.v1"] = "command.purge.v1"
    versions: tuple[VersionImages, ...] = ()


class Configure(_Command):
    """Change what is said about the deployment as a whole; consumed by the deployer."""

    type: Literal["command.configure.v1"] = "command.configure.v1"
    settings: DeploymentSettings = Field(description="The full new value.")


class SetAlias(_Command):
    """Let an alias point at releases by weight; those that do not run are started first; for the deployer."""

    type: Literal["command.set-alias.v1"] = "command.set-alias.v1"
    alias: AliasName
    shares: tuple[TrafficShare, ...] = Field(min_length=1, description="Weights are 100 together.")
    restored: tuple[RestoredRelease, ...] = Field(
        default=(), description="Of the releases named, those that may not run."
    )


class RemoveAlias(_Command):
    """Take an alias away; `live` is taken away by a stop only; consumed by the deployer."""

    type: Literal["command.remove-alias.v1"] = "command.remove-alias.v1"
    alias: AliasName


class Pin(_Command):
    """Keep a release running although no alias names it, or no longer; consumed by the deployer."""

    type: Literal["command.pin.v1"] = "command.pin.v1"
    release: int = Field(ge=1)
    pinned: bool
    restored: RestoredRelease | None = Field(default=None, description="Of one that may not run.")


class Cancel(_Command):
    """End the unfinished release, leave what served before; consumed by the deployer."""

    type: Literal["command.cancel.v1"] = "command.cancel.v1"


ReleaseCommand = Deploy | Redeploy | Start
AnyDeployerCommand = (
    ReleaseCommand | Stop | Delete | Undelete | Purge | Cancel | Configure | SetAlias | RemoveAlias | Pin
)
Command = Build | CancelBuild | RemoveVersions | AnyDeployerCommand
