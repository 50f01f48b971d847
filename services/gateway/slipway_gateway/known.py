"""What the gateway knows: the part of desired records and replica facts that decides routes.

Only a record changes it, never the absence of one, so that an emptied log takes no route away.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from pydantic import Field
from slipway_chassis.logs import get_logger
from slipway_contracts.desired import Desired
from slipway_contracts.replica import ReplicaFact, ReplicaState

from slipway_gateway.first_snapshot import FirstSnapshot
from slipway_gateway.known_deployment import GONE, Frozen, KnownDeployment
from slipway_gateway.model import split_address

Key = tuple[str, str]
_FORMAT: Final = 2
_log: Final = get_logger()


class _Format(Frozen):
    format: int = 1


class _Snapshot(Frozen):
    format: int = _FORMAT
    deployments: tuple[KnownDeployment, ...] = ()
    ready: dict[str, str] = Field(
        default_factory=dict, description="`group/deployment/workload/replica` to address."
    )


@dataclass(frozen=True)
class Dump:
    """Everything that is known, in parts that are yet to be joined.

    Attributes:
        deployments: one JSON object each.
        ready: members of one JSON object.
    """

    deployments: tuple[bytes, ...]
    ready: tuple[bytes, ...]

    def joined(self) -> bytes:
        """Return the JSON; equal knowledge gives equal bytes."""
        deployments, ready = b",".join(self.deployments), b",".join(self.ready)
        return b'{"format":%d,"deployments":[%s],"ready":{%s}}' % (_FORMAT, deployments, ready)


class Known:
    """Deployments and the addresses of ready replicas, as told by the records taken so far."""

    def __init__(self) -> None:
        self._deployments: dict[Key, KnownDeployment] = {}
        self._ready: dict[Key, dict[tuple[str, str], str]] = {}
        self._dumped: dict[Key, tuple[bytes, bytes]] = {}

    def take(self, message: Desired | ReplicaFact) -> Key | None:
        """Learn from a record; return the deployment whose routes may have changed, None if none has."""
        key = (message.group, message.deployment)
        match message:
            case Desired():
                changed = self._take_desired(key, message)
            case ReplicaFact():
                changed = self._take_fact(key, message)
        if changed:
            self._dumped.pop(key, None)
        return key if changed else None

    def _take_desired(self, key: Key, desired: Desired) -> bool:
        before = self._deployments.get(key)
        if desired.wanted in GONE and desired.ended:
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

    def dump(self) -> Dump:
        """Return everything as it is stored; costs no more than what changed since the last time."""
        for key in self._deployments.keys() | self._ready.keys():
            if key not in self._dumped:
                self._dumped[key] = self._dump_of(key)
        parts = [self._dumped[key] for key in sorted(self._dumped)]
        return Dump(tuple(each for each, _ in parts if each), tuple(each for _, each in parts if each))

    def _dump_of(self, key: Key) -> tuple[bytes, bytes]:
        deployment = self._deployments.get(key)
        ready = {"/".join((*key, *replica)): address for replica, address in self.ready(key).items()}
        members = json.dumps(ready, sort_keys=True, separators=(",", ":"))[1:-1]
        return deployment.model_dump_json().encode() if deployment else b"", members.encode()

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Read what `dump` gave, in this release or an earlier one.

        Raises:
            ValueError: the bytes are not such a snapshot.
        """
        snapshot = _read(data)
        known = cls()
        known._deployments = {(each.group, each.deployment): each for each in snapshot.deployments}
        for name, address in snapshot.ready.items():
            group, deployment, workload, replica = name.split("/")
            known._ready.setdefault((group, deployment), {})[workload, replica] = address
        return known


def _read(data: bytes) -> _Snapshot:
    match _Format.model_validate_json(data).format:
        case 1:
            first = FirstSnapshot.model_validate_json(data)
            return _Snapshot(deployments=first.present(), ready=first.ready)
        case 2:
            return _Snapshot.model_validate_json(data)
        case later:
            raise ValueError(f"it has format {later}, this release reads up to {_FORMAT}")


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
