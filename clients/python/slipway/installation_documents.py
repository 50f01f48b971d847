"""What the API answers about things beside deployments, as far as this package reads it."""

from datetime import datetime
from typing import Any

from pydantic import Field

from slipway.documents import Document


class Secret(Document):
    """A secret of a group, without its value."""

    name: str
    version: int
    changed_at: datetime
    changed_by: str


class EndpointUser(Document):
    """A user of basic authentication, without the password."""

    name: str
    created_at: datetime | None = None


class EndpointKey(Document):
    """A key of the endpoints, without its token."""

    id: str
    name: str
    created_at: datetime | None = None
    created_by: str | None = None
    expires_at: datetime | None = None
    revoked: bool = False
    replaced_by: str | None = None

    def opens_at(self, moment: datetime) -> bool:
        """Return whether it lets its caller in then."""
        return not self.revoked and (self.expires_at is None or self.expires_at > moment)


class Access(Document):
    """Who may call the endpoints of a deployment."""

    mode: str
    users: tuple[EndpointUser, ...] = ()
    keys: tuple[EndpointKey, ...] = ()

    def opening(self, moment: datetime) -> tuple[EndpointKey, ...]:
        """Return the keys that open something then."""
        return tuple(key for key in self.keys if key.opens_at(moment))

    def called(self, name: str, moment: datetime) -> tuple[EndpointKey, ...]:
        """Return the keys that a name stands for: those of it that open something then.

        One that was rotated is not meant while its successor opens something, but once that does not.
        """
        opening = self.opening(moment)
        newer = {key.id for key in opening}
        return tuple(key for key in opening if key.name == name and key.replaced_by not in newer)


class Amount(Document):
    """An amount of each resource, or the most of each; None: no limit."""

    deployments: int | None = None
    replicas: int | None = None
    cpu: float | None = None
    memory_bytes: int | None = None
    gpu: int | None = None


class Member(Document):
    """A user and what the user may do in a group."""

    user: str
    role: str


class Group(Document):
    """An owner of deployments: who may do what in it, what it holds, and the most that it may hold."""

    name: str
    description: str = ""
    role: str | None = None
    deployments_enabled: bool = True
    quota: Amount | None = None
    use: Amount | None = None
    etag: str | None = None
    members: tuple[Member, ...] = ()


class InstanceType(Document):
    """A named size of one replica."""

    name: str
    description: str = ""
    size: Amount
    node_selector: dict[str, str] = Field(default_factory=dict)


class Target(Document):
    """Where workloads run: what all replicas there may ask for, and what is left of it."""

    name: str
    engine: str
    health: str
    allocatable: Amount
    free: Amount | None = None
    overcommitted: bool | None = None
    notices: tuple[str, ...] = ()
    unknown_workloads: tuple[dict[str, Any], ...] | None = None


class Gateway(Document):
    """Who routes requests, and how far it has followed the log."""

    name: str
    applied: int
    envoy: str
    heard_at: datetime
    silent: bool


class ApiKey(Document):
    """An API key, without the key."""

    id: str
    user: str
    grants: tuple[dict[str, Any], ...] = ()


class NewApiKey(ApiKey):
    """A new API key, which is shown once."""

    secret: str


class AuditEntry(Document):
    """What somebody asked for, or like requests of somebody that got an error."""

    sequence: int
    id: str = ""
    time: datetime
    request: str
    user: str | None = None
    address: str | None = None
    action: str
    group: str | None = None
    deployment: str | None = None
    details: dict[str, Any] = Field(default_factory=dict)
    outcome: str
    status: int | None = None
    reason: str | None = None
    unconfirmed: str | None = None
    dry_run: bool = False
    count: int = 1
    others: int = 0
    untold: int = 0


class Artifact(Document):
    """A stored file."""

    digest: str
    size_bytes: int | None = None
    name: str | None = None
    origin: str = ""
    hidden: bool = False


class FoundFile(Document):
    """A file that was placed in storage by hand."""

    path: str
    size_bytes: int
