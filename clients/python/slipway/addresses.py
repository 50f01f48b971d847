"""Which URLs of a deployment answer: those of the endpoints that a release behind an alias has."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from slipway.documents import LIVE, Alias, DeploymentDetail
from slipway.errors import ProblemError
from slipway.rendering import spoken_shares

if TYPE_CHECKING:
    from slipway.client import Slipway

_RESTING: Final = frozenset({"STOPPING", "STOPPED", "DELETING", "DELETED", "PURGING"})


@dataclass(frozen=True, kw_only=True)
class Address:
    """An alias of a deployment, and what is called there.

    Attributes:
        alias: the name.
        releases: what it points at, as people read it.
        urls: of each endpoint that answers.
        silent: why there is none.
        call: a command for a shell that calls one; None: none is known.
    """

    alias: Alias
    releases: str
    urls: Mapping[str, str]
    silent: str
    call: str | None

    def rows(self) -> Sequence[tuple[str, str, str, str]]:
        """Return alias, releases, endpoint and URL, of each endpoint."""
        told = list(self.urls.items()) or [("-", self.silent)]
        return [(self.alias.alias, self.releases, name, url) for name, url in told]


async def addresses_of(slipway: "Slipway", deployment: DeploymentDetail) -> Sequence[Address]:
    """Return the addresses of all aliases, `live` first, looking up the versions that they lead to."""
    labels = {share.version_label for alias in deployment.aliases for share in alias.shares}
    endpoints = {label: await _endpoints(slipway, deployment.id, label) for label in labels - {None} if label}
    return [_address(deployment, alias, endpoints) for alias in deployment.aliases]


async def _endpoints(slipway: "Slipway", deployment: str, label: str) -> Sequence[str]:
    try:
        version = await slipway.version(deployment, label)
    except ProblemError:
        return ()
    return [str(each.as_json().get("name")) for each in version.endpoints]


def _address(deployment: DeploymentDetail, alias: Alias, endpoints: Mapping[str, Sequence[str]]) -> Address:
    names = dict.fromkeys(
        name for share in alias.shares for name in endpoints.get(share.version_label or "", ())
    )
    silent = _silent(deployment, alias)
    urls = {} if silent else {name: f"{alias.url}/{name}" for name in names}
    return Address(
        alias=alias,
        releases=spoken_shares(alias),
        urls=urls,
        silent=silent or "its version is not there any more",
        call=_call(deployment, alias, urls),
    )


def _silent(deployment: DeploymentDetail, alias: Alias) -> str:
    if deployment.state in _RESTING:
        return f"no URL: {deployment.id} is {deployment.state}"
    return "" if alias.shares else "no URL until its release is ready"


def _call(deployment: DeploymentDetail, alias: Alias, urls: Mapping[str, str]) -> str | None:
    """Return the example of the live alias with the URL of this one, where it has the same endpoint."""
    example = deployment.call_example
    if alias.alias == LIVE or example is None:
        return example if urls else None
    before, base, rest = example.rpartition(f"{deployment.url}/")
    name = rest.partition("/")[0]
    return f"{before}{alias.url}/{rest}" if base and name in urls else None
