"""What the gateway knows: the part of desired records and replica facts that decides routes.

Only a record changes it, never the absence of one, so that an emptied log takes no route away.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field
from slipway_chassis.logs import get_logger
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_gateway.model import split_address

Key = tuple[str, str]
_log: Final = get_logger()


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class KnownEndpoint(_Frozen):
    """An endpoint of a release that has traffic."""

    name: str
    workload: str
    timeout_seconds: float
    max_body_bytes: int | None
    idempotent: bool


class KnownShare(_Frozen):
    """A release that has traffic."""

    weight: int
    label: str
    endpoints: tuple[KnownEndpoint, ...]


class KnownWorkload(_Frozen):
    """A wanted workload: the replicas that get requests once they are ready, and those scaled away."""

    id: str
    serving: tuple[str, ...]
    leaving: tuple[str, ...]


class KnownDeployment(_Frozen):
    """What one desired record says about routes."""

    group: str
    deployment: str
    wanted: Wanted
    shares: tuple[KnownShare, ...]
    workloads: tuple[KnownWorkload, ...]

    @classmethod
    def of(cls, desired: Desired) -> Self:
        """Take the part that matters here."""
        shares = (
            _share(release, share.weight)
            for share in desired.traffic
            if (release := desired.release(share.release)) is not None
        )
        return cls(
            group=desired.group,
            deployment=desired.deployment,
            wanted=desired.wanted,
            shares=tuple(shares),
            workloads=tuple(
                KnownWorkload(
                    id=each.workload.id,
                    serving=each.serving_replicas,
                    leaving=each.workload.replica_ids[each.serving :],
                )
                for each in desired.workloads
            ),
        )


def _share(release: DesiredRelease, weight: int) -> KnownShare:
    endpoints = release.version.endpoints if release.version else ()
    return KnownShare(
        weight=weight,
        label=release.version.label if release.version else "",
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


class _Snapshot(_Frozen):
    format: int = 1
    deployments: tuple[KnownDeployment, ...] = ()
    ready: dict[str, str] = Field(
        default_factory=dict, description="`group/deployment/workload/replica` to address."
    )


class Known:
    """Deployments and the addresses of ready replicas, as told by the records taken so far."""

    def __init__(self) -> None:
        self._deployments: dict[Key, KnownDeployment] = {}
        self._ready: dict[Key, dict[tuple[str, str], str]] = {}

    def take(self, message: Desired | ReplicaFact) -> Key | None:
        """Learn from a record; return the deployment whose routes may have changed, None if none has."""
        key = (message.group, message.deployment)
        match message:
            case Desired():
                changed = self._take_desired(key, message)
            case ReplicaFact():
                changed = self._take_fact(key, message)
        return key if changed else None

    def _take_desired(self, key: Key, desired: Desired) -> bool:
        before = self._deployments.get(key)
        if desired.wanted is Wanted.DELETED and desired.ended:
            self._deployments.pop(key, None)
        else:
            self._deployments[key] = KnownDeployment.of(desired)
        return self._deployments.get(key) != before

    def _take_fact(self, key: Key, fact: ReplicaFact) -> bool:
        ready = self._ready.setdefault(key, {})
        replica = (fact.workload, fact.replica)
        before = ready.get(replica)
        address = _usable(fact) if fact.state is ReplicaState.READY else None
        if address is None:
            ready.pop(replica, None)
        else:
            ready[replica] = address
        if not ready:
            del self._ready[key]
        return address != before

    def deployments(self) -> Iterator[KnownDeployment]:
        """Return all deployments, by name."""
        for key in sorted(self._deployments):
            yield self._deployments[key]

    def deployment(self, key: Key) -> KnownDeployment | None:
        """Return one deployment."""
        return self._deployments.get(key)

    def ready(self, key: Key) -> Mapping[tuple[str, str], str]:
        """Return the `host:port` of each ready (workload, replica) of a deployment."""
        return self._ready.get(key, {})

    def dump(self) -> bytes:
        """Return everything as JSON; equal knowledge gives equal bytes."""
        ready = {
            "/".join((*key, *replica)): address
            for key, replicas in self._ready.items()
            for replica, address in replicas.items()
        }
        snapshot = _Snapshot(deployments=tuple(self.deployments()), ready=dict(sorted(ready.items())))
        return snapshot.model_dump_json().encode()

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Read what `dump` wrote.

        Raises:
            ValueError: the bytes are not such a snapshot.
        """
        snapshot = _Snapshot.model_validate_json(data)
        known = cls()
        known._deployments = {(each.group, each.deployment): each for each in snapshot.deployments}
        for name, address in snapshot.ready.items():
            group, deployment, workload, replica = name.split("/")
            known._ready.setdefault((group, deployment), {})[workload, replica] = address
        return known


def _usable(fact: ReplicaFact) -> str | None:
    try:
        split_address(fact.address or "")
    except ValueError:
        _log.error(
            "a ready replica gets no requests: its address is no ip:port",
            replica=f"{fact.group}/{fact.deployment}/{fact.workload}/{fact.replica}",
            address=fact.address,
        )
        return None
    return fact.address
