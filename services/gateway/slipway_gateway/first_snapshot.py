"""The first format of the snapshot, which knew one list of shares per deployment and no more."""

from pydantic import Field
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.traffic import LIVE_ALIAS, AliasRoute, TrafficShare

from slipway_gateway.known_deployment import (
    Frozen,
    KnownDeployment,
    KnownEndpoint,
    KnownRelease,
    KnownWorkload,
)


class _FirstShare(Frozen):
    weight: int
    label: str
    endpoints: tuple[KnownEndpoint, ...]


class _FirstDeployment(Frozen):
    group: str
    deployment: str
    wanted: Wanted
    shares: tuple[_FirstShare, ...]
    workloads: tuple[KnownWorkload, ...]

    def present(self) -> KnownDeployment:
        """Return the same in present words; its releases had no numbers and are counted."""
        shares = dict(enumerate(self.shares, start=1))
        weights = tuple(TrafficShare(release=number, weight=share.weight) for number, share in shares.items())
        return KnownDeployment(
            group=self.group,
            deployment=self.deployment,
            wanted=self.wanted,
            name=self.deployment,
            aliases=(AliasRoute(alias=LIVE_ALIAS, shares=weights),) if weights else (),
            labels={share.label: number for number, share in shares.items() if share.label},
            releases=tuple(
                KnownRelease(number=number, endpoints=share.endpoints) for number, share in shares.items()
            ),
            workloads=self.workloads,
        )


class FirstSnapshot(Frozen):
    """What a gateway of the first release kept."""

    deployments: tuple[_FirstDeployment, ...] = ()
    ready: dict[str, str] = Field(default_factory=dict)

    def present(self) -> tuple[KnownDeployment, ...]:
        """Return the deployments in present words."""
        return tuple(each.present() for each in self.deployments)
