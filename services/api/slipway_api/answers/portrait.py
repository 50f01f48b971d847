"""A deployment as it is shown: its addresses, aliases, settings, and how it is called. Pure."""

import shlex
from collections.abc import Iterable, Mapping, Sequence

from slipway_contracts.access import Access, AccessMode
from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.traffic import LIVE_ALIAS, TrafficShare
from slipway_contracts.version import EndpointSpec, Version
from slipway_store.rows import DeploymentDetail, ReleaseRow

from slipway_api.answers.views import Alias, Endpoint, FormerPath, ServingRelease, Settings, Share


class Addresses:
    """Where a deployment is called.

    Args:
        gateway: base of all URLs, without a final slash.
        group: the owner.
        name: its place in the path.
    """

    def __init__(self, *, gateway: str, group: str, name: str) -> None:
        self.base = f"{gateway}/{group}/{name}"

    def alias(self, alias: str) -> str:
        """Return the base of an alias' endpoints."""
        return self.base if alias == LIVE_ALIAS else f"{self.base}/{alias}"

    def endpoints(self, version: Version | None) -> Sequence[Endpoint]:
        """Return the endpoints of a version at the deployment's own URL."""
        return [
            Endpoint(
                name=spec.name,
                url=f"{self.base}/{spec.name}",
                description=spec.description,
                timeout_seconds=spec.timeout_seconds,
                idempotent=spec.idempotent,
            )
            for spec in (version.endpoints if version else ())
        ]


def aliases_of(
    desired: Desired | None, addresses: Addresses, rows: Iterable[ReleaseRow] = ()
) -> Sequence[Alias]:
    """Return every alias with where it points and is about to; `rows`: releases that may be among them."""
    if desired is None:
        return []
    labels = {row.number: row.version_label for row in rows}
    labels |= {each.number: each.version.label for each in desired.releases if each.version}
    routes = {route.alias: route for route in (*desired.parked, *desired.routes)}
    moves = {move.alias: move for move in desired.moves if not move.shifted}
    names = sorted({*routes, *moves}, key=lambda name: (name != LIVE_ALIAS, name))
    return [
        Alias(
            alias=name,
            url=addresses.alias(name),
            shares=_shares(routes[name].shares if name in routes else (), desired, labels),
            moving_to=_shares(moves[name].shares, desired, labels) if name in moves else None,
        )
        for name in names
    ]


def _shares(
    shares: Iterable[TrafficShare], desired: Desired, labels: Mapping[int, str | None]
) -> list[Share]:
    return [
        Share(
            release=share.release,
            weight=share.weight,
            version_label=labels.get(share.release),
            state=_state(desired, share.release),
        )
        for share in shares
    ]


def _state(desired: Desired, number: int) -> ReleaseState | None:
    release = desired.release(number)
    return release.state if release else None


def serving_of(desired: Desired | None, addresses: Addresses) -> list[ServingRelease]:
    """Return the releases that take requests, by an alias or by the label of their version."""
    live = [each for each in desired.releases if each.state is ReleaseState.LIVE] if desired else []
    newest = {each.version.label: each.number for each in live if each.version}
    return [
        ServingRelease(
            release=each.number,
            version_label=each.version.label,
            url=addresses.alias(each.version.label) if newest[each.version.label] == each.number else None,
        )
        for each in live
        if each.version
    ]


def settings_of(status: DeploymentDetail) -> Settings:
    """Return what is said about a deployment, without digests of passwords."""
    said = status.settings
    return Settings(
        name=said.name,
        description=said.description,
        metadata=dict(said.metadata),
        stop_deadline_seconds=said.stop_deadline_seconds,
        rename_grace_seconds=said.rename_grace_seconds,
        access=said.access.mode,
        former_names=[FormerPath(name=each.name, until=each.until) for each in status.former_names],
    )


def call_example(access: Access, addresses: Addresses, version: Version | None) -> str | None:
    """Return a command for a shell that calls an endpoint, as the version's smoke test does if it has one."""
    if version is None:
        return None
    spec = next((each for each in version.endpoints if each.smoke_test), version.endpoints[0])
    parts = ["curl", *_credentials(access), *_request(spec)]
    return " ".join([*parts, shlex.quote(addresses.base + "/" + spec.name + _path(spec))])


def _credentials(access: Access) -> Sequence[str]:
    match access.mode:
        case AccessMode.BASIC:
            user = next((user.name for user in access.users), "user")
            return ("-u", f'"{user}:$PASSWORD"')
        case AccessMode.KEYS:
            return ("-H", '"Authorization: Bearer $KEY"')
        case AccessMode.OPEN:
            return ()


def _request(spec: EndpointSpec) -> Sequence[str]:
    test = spec.smoke_test
    if test is None:
        return ()
    parts = [] if test.method == "GET" and test.body is None else ["-X", test.method]
    for name, value in test.headers.items():
        parts += ["-H", shlex.quote(f"{name}: {value}")]
    return parts if test.body is None else [*parts, "--data-raw", shlex.quote(test.body)]


def _path(spec: EndpointSpec) -> str:
    path = spec.smoke_test.path if spec.smoke_test else spec.health
    return path or "/"
