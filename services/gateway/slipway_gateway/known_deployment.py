"""What the gateway keeps of one desired record: the part that decides routes."""

from datetime import datetime
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field
from slipway_contracts.access import Access, AccessMode
from slipway_contracts.deployment_settings import FormerName
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.traffic import AliasRoute

GONE: Final = frozenset({Wanted.DELETED, Wanted.PURGED})


class Frozen(BaseModel):
    """What is kept on disk by one release may be read by the next."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class KnownEndpoint(Frozen):
    """An endpoint of a release that is called."""

    name: str
    workload: str
    timeout_seconds: float
    max_body_bytes: int | None
    idempotent: bool


class KnownRelease(Frozen):
    """A release that an alias or a version label reaches."""

    number: int
    endpoints: tuple[KnownEndpoint, ...]


class KnownWorkload(Frozen):
    """A wanted workload: the replicas that get requests once they are ready, and those scaled away."""

    id: str
    serving: tuple[str, ...]
    leaving: tuple[str, ...]


class KnownAccess(Frozen):
    """Who may call: digests of passwords by user name, and ids of the keys that are not revoked.

    A key may end before its token says so: one that was rotated opens for a while beside its successor.
    """

    mode: AccessMode = AccessMode.OPEN
    users: dict[str, str] = Field(default_factory=dict)
    keys: tuple[str, ...] = ()
    ends: dict[str, datetime] = Field(default_factory=dict, description="Of the keys that end by themselves.")

    @classmethod
    def of(cls, access: Access) -> Self:
        """Take what the present mode checks."""
        match access.mode:
            case AccessMode.OPEN:
                return cls()
            case AccessMode.BASIC:
                users = sorted((user.name, user.password_sha1) for user in access.users)
                return cls(mode=access.mode, users=dict(users))
            case AccessMode.KEYS:
                keys = sorted((key for key in access.keys if not key.revoked), key=lambda key: key.id)
                return cls(
                    mode=access.mode,
                    keys=tuple(key.id for key in keys),
                    ends={key.id: key.expires_at for key in keys if key.expires_at is not None},
                )

    def keys_at(self, moment: datetime) -> tuple[str, ...]:
        """Return the ids of the keys that open."""
        return tuple(each for each in self.keys if each not in self.ends or self.ends[each] > moment)


class KnownDeployment(Frozen):
    """What one desired record says about routes."""

    group: str
    deployment: str
    wanted: Wanted
    name: str
    former_names: tuple[FormerName, ...] = ()
    aliases: tuple[AliasRoute, ...] = ()
    labels: dict[str, int] = Field(default_factory=dict, description="Version label to release.")
    releases: tuple[KnownRelease, ...] = ()
    workloads: tuple[KnownWorkload, ...] = ()
    access: KnownAccess = KnownAccess()

    @classmethod
    def of(cls, desired: Desired) -> Self:
        """Take the part that matters here."""
        called = [each for each in desired.releases if _is_called(desired, each)]
        return cls(
            group=desired.group,
            deployment=desired.deployment,
            wanted=desired.wanted,
            name=desired.name,
            former_names=desired.former_names,
            aliases=desired.routes,
            # Later ones overwrite: the newest release of a label has it.
            labels={
                each.version.label: each.number
                for each in sorted(called, key=lambda release: release.number)
                if each.version
            },
            releases=tuple(_release(each) for each in called),
            workloads=tuple(
                KnownWorkload(
                    id=each.workload.id,
                    serving=each.serving_replicas,
                    leaving=each.workload.replica_ids[each.serving :],
                )
                for each in desired.workloads
            ),
            access=KnownAccess.of(desired.settings.access),
        )

    def names_at(self, moment: datetime) -> tuple[str, ...]:
        """Return the names under which it is called, the present one first."""
        if self.wanted in GONE:
            return ()
        former = [each.name for each in self.former_names if each.until > moment]
        return tuple(dict.fromkeys((self.name, *former)))

    def next_end(self, moment: datetime) -> datetime | None:
        """Return when the next of its names or keys ends, None if none will."""
        ends = (*(each.until for each in self.former_names), *self.access.ends.values())
        return min((end for end in ends if end > moment), default=None)


def _is_called(desired: Desired, release: DesiredRelease) -> bool:
    pinned = release.number in desired.pins and release.state is ReleaseState.LIVE
    return pinned or release.number in desired.routed


def _release(release: DesiredRelease) -> KnownRelease:
    endpoints = release.version.endpoints if release.version else ()
    return KnownRelease(
        number=release.number,
        endpoints=tuple(
            KnownEndpoint(
                name=each.name,
                workload=release.workloads[each.name],
                timeout_seconds=each.timeout_seconds,
                max_body_bytes=each.max_body_bytes,
                idempotent=each.idempotent,
            )
            for each in endpoints
            if each.name in release.workloads
        ),
    )
