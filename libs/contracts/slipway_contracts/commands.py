"""Commands: imperative requests; the id of a command is the id of its operation."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from slipway_contracts.message import DeploymentMessage
from slipway_contracts.names import BuildId, Digest, Label
from slipway_contracts.release import ReleaseRequest


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


class Deploy(_Command):
    """Make a release of another version; consumed by the deployer."""

    type: Literal["command.deploy.v1"] = "command.deploy.v1"
    request: ReleaseRequest


class Redeploy(_Command):
    """Make a release of the version that runs, with another configuration; consumed by the deployer."""

    type: Literal["command.redeploy.v1"] = "command.redeploy.v1"
    request: ReleaseRequest


class Start(_Command):
    """Run a stopped deployment again, as it was; consumed by the deployer."""

    type: Literal["command.start.v1"] = "command.start.v1"
    request: ReleaseRequest


class Stop(_Command):
    """Take a deployment off its route and end its replicas; consumed by the deployer."""

    type: Literal["command.stop.v1"] = "command.stop.v1"


class Delete(_Command):
    """Stop a deployment and take it out of every list; consumed by the deployer."""

    type: Literal["command.delete.v1"] = "command.delete.v1"


class Cancel(_Command):
    """End the unfinished release, leave what served before; consumed by the deployer."""

    type: Literal["command.cancel.v1"] = "command.cancel.v1"


BuilderCommand = Annotated[Build | CancelBuild, Field(discriminator="type")]
DeployerCommand = Annotated[Deploy | Redeploy | Start | Stop | Delete | Cancel, Field(discriminator="type")]
Command = Build | CancelBuild | Deploy | Redeploy | Start | Stop | Delete | Cancel
