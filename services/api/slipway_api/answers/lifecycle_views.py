"""Bodies of answers about history, versions in depth, and who may call the endpoints."""

from collections.abc import Mapping

from pydantic import AwareDatetime, Field
from slipway_contracts.access import AccessMode, EndpointKey
from slipway_contracts.failure import FailureRecord
from slipway_contracts.lifecycle import ReleaseState

from slipway_api.answers.plan_views import Difference
from slipway_api.answers.views import Accepted, VersionSummary, View


class BasicAccount(View):
    """A user of basic authentication, without the password."""

    name: str
    created_at: AwareDatetime


class AccessDetail(View):
    """Who may call the endpoints of a deployment."""

    mode: AccessMode
    users: list[BasicAccount]
    keys: list[EndpointKey] = Field(description="Issued keys, without their tokens; revoked ones too.")
    call_example: str | None = Field(
        default=None, description="A command that calls an endpoint, once its placeholder has a value."
    )


class NewEndpointKey(Accepted):
    """A new key of the endpoints; its token is shown here and never again."""

    key: EndpointKey
    token: str = Field(description="For `Authorization: Bearer …` or `X-API-Key`.")


class NewBasicUser(Accepted):
    """A new user of basic authentication; the password is shown here and never again."""

    name: str
    password: str


class HistoryEntry(View):
    """One release in the history of a deployment."""

    release: int
    cause: str = Field(examples=["rollback"])
    outcome: ReleaseState
    failure: FailureRecord | None = None
    user: str
    version_label: str | None
    version_id: str | None
    images: dict[str, str] = Field(description="Digest of the image of each endpoint.")
    replicas: int
    instance_type: str | None
    group: str
    target: str
    alias: str
    copy_of: int | None
    description: str
    metadata: dict[str, str]
    created_at: AwareDatetime
    live_at: AwareDatetime | None
    ended_at: AwareDatetime | None = Field(description="When it ended, or had nothing more to do.")
    stopped: bool = Field(description="It ended because the deployment was stopped or deleted.")
    restorable: bool
    how_to_restore: str | None = None


class ReleaseDiff(View):
    """What differs between two releases."""

    group: str
    deployment: str
    before: int
    after: int
    changes: list[Difference]


class Layer(View):
    """A layer of an image."""

    digest: str
    size_bytes: int
    media_type: str


class VersionDetail(VersionSummary):
    """A version with its layers."""

    layers: Mapping[str, list[Layer]] = Field(
        default_factory=dict, description="By endpoint, of images that are in this installation's store."
    )
