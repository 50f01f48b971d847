"""Routes in Envoy's words: one list per deployment, found by the longest prefix.

Envoy tries the routes of a virtual host one after the other; the matcher tree keeps that to the routes of one
deployment, however many there are.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, assert_never

from slipway_gateway import guards
from slipway_gateway.envoy_json import duration, text, typed
from slipway_gateway.envoy_names import BUFFER, SECOND_TURN, STARTING, UNANNOUNCED
from slipway_gateway.model import Forward, Keys, Passwords, Place, Refuse
from slipway_gateway.problem import BODY_TOO_LARGE, METADATA, metadata, refusal

ROUTE_CONFIG: Final = "deployments"
LARGEST_UNANNOUNCED_BODY: Final = 64 << 20
_RETRY_BUFFER: Final = 8 << 20
_LARGEST_INTEGER: Final = (1 << 63) - 1
LONGEST_IDLE_SECONDS: Final = 305.0
_IDLE_MARGIN_SECONDS: Final = 5.0
_RETRY_ON: Final = "connect-failure,refused-stream,reset-before-request"


def route_list(place: Place) -> str:
    """Return the routes below one prefix as a rendered matcher."""
    # The tree compares characters: /g/d also finds /g/dx, and then no route of the list.
    routes = [
        each if place.guard is None else _guarded(each, given.members, place.guard)
        for given in place.routes
        for each in _rendered(given)
    ]
    action = {"name": "routes", "typed_config": typed("envoy.config.route.v3.RouteList", routes=routes)}
    return text({"action": action})


def is_guarded_by(rendered: str, guard: Passwords | Keys) -> bool:
    """Return whether each route of a rendered matcher that hands a request on asks for exactly this."""
    asked = guards.rules(guard)
    try:
        routes = json.loads(rendered)["action"]["typed_config"]["routes"]
        return all(guards.rules_of(each) == asked for each in routes if "route" in each)
    except (KeyError, TypeError, AttributeError):
        return False


def route_configuration(route_lists: Mapping[str, str]) -> str:
    """Return the one route configuration, of rendered matchers by prefix."""
    entries = ",\n".join(f"{text(prefix)}:{route_lists[prefix]}" for prefix in sorted(route_lists))
    host = {
        "name": "deployments",
        "domains": ["*"],
        "retry_policy": _retry_policy(_RETRY_ON),
        "request_body_buffer_limit": _RETRY_BUFFER,
        "request_headers_to_remove": [UNANNOUNCED],
    }
    if not entries:
        return _configuration(text(host))
    tree = (
        f'{{"matcher_tree":{{"input":{text(_path_input())},"prefix_match_map":{{"map":{{\n{entries}}}}}}}}}'
    )
    return _configuration(f'{text(host)[:-1]},"matcher":{tree}}}')


def route_lists(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Return the rendered matchers by prefix of which `route_configuration` made this."""
    (host,) = configuration["virtual_hosts"]
    if "matcher" not in host:
        return {}
    entries = host["matcher"]["matcher_tree"]["prefix_match_map"]["map"]
    return {prefix: text(matcher) for prefix, matcher in entries.items()}


def starting_configuration() -> str:
    """Return the route configuration of a gateway that knows nothing yet: a cluster that is never there."""
    route = {"match": {"prefix": "/"}, "route": {"cluster": STARTING}}
    return _configuration(text({"name": "starting", "domains": ["*"], "routes": [route]}))


def _configuration(virtual_host: str) -> str:
    head = text(typed("envoy.config.route.v3.RouteConfiguration", name=ROUTE_CONFIG))
    return f'{head[:-1]},"virtual_hosts":[{virtual_host}]}}'


def _path_input() -> dict[str, Any]:
    return {
        "name": "path",
        "typed_config": typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=":path"),
    }


def _rendered(given: Forward | Refuse) -> list[dict[str, Any]]:
    match given:
        case Refuse():
            match = {"path_separated_prefix": given.prefix}
            return [{"match": match, **refusal(given.problem, given.members)}]
        case Forward():
            return _forwards(given)
        case _:
            assert_never(given)


def _guarded(route: dict[str, Any], members: Mapping[str, Any], guard: Passwords | Keys) -> dict[str, Any]:
    told = route.get("metadata", {}).get("filter_metadata", {}).get(METADATA, {})
    guarded = {
        **route,
        **metadata({**members, **told, **guards.members(guard)}),
        "typed_per_filter_config": {**route.get("typed_per_filter_config", {}), **guards.rules(guard)},
    }
    if consumed := guards.consumed_headers(guard):
        guarded["request_headers_to_remove"] = consumed
    return guarded


def _forwards(given: Forward) -> list[dict[str, Any]]:
    """A body of announced size is refused or streamed; one of unknown size is counted before it is sent."""
    match = {"path_separated_prefix": given.prefix}
    forward = {"match": match, **_forward(given)}
    if given.max_body_bytes is None or given.max_body_bytes >= _LARGEST_INTEGER:
        return [forward]
    beyond = {"start": str(given.max_body_bytes + 1), "end": str(_LARGEST_INTEGER)}
    too_large = {"headers": [{"name": "content-length", "range_match": beyond}]}
    unannounced = {"headers": [{"name": UNANNOUNCED, "present_match": True}]}
    members = {**given.members, "max_body_bytes": given.max_body_bytes}
    return [
        {"match": match | too_large, **refusal(BODY_TOO_LARGE, members)},
        {"match": match | unannounced, **_counted(given, members)},
        forward,
    ]


def _counted(given: Forward, members: Mapping[str, Any]) -> dict[str, Any]:
    """Read the whole body, then take the request in again, now with a `content-length`.

    Envoy chooses a route when a request begins, and an upload may outlast a switch of releases: what was
    chosen at its beginning may be gone at its end.
    """
    largest = min(members["max_body_bytes"], LARGEST_UNANNOUNCED_BODY)
    buffer = typed(
        "envoy.extensions.filters.http.buffer.v3.BufferPerRoute", buffer={"max_request_bytes": largest}
    )
    return {
        "route": {"cluster": SECOND_TURN, **_patience(given.timeout_seconds + 1)},
        "typed_per_filter_config": {BUFFER: buffer},
        **metadata({**members, "max_body_bytes": largest}),
    }


def _patience(seconds: float) -> dict[str, Any]:
    patience = {"timeout": duration(seconds)}
    if seconds + _IDLE_MARGIN_SECONDS > LONGEST_IDLE_SECONDS:
        patience["idle_timeout"] = duration(seconds + _IDLE_MARGIN_SECONDS)
    return patience


def _forward(given: Forward) -> dict[str, Any]:
    action: dict[str, Any] = {
        **_destination(given),
        **_patience(given.timeout_seconds),
        "regex_rewrite": {"pattern": {"regex": f"^{re.escape(given.prefix)}/?"}, "substitution": "/"},
    }
    if given.idempotent:
        action["retry_policy"] = _retry_policy(f"{_RETRY_ON},reset")
    prefix = {"key": "x-forwarded-prefix", "value": given.prefix}
    option = {"header": prefix, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    return {"route": action, "request_headers_to_add": [option]}


def _destination(given: Forward) -> dict[str, Any]:
    if len(given.clusters) == 1:
        return {"cluster": given.clusters[0][0]}
    weighted = [{"name": name, "weight": weight} for name, weight in given.clusters]
    return {"weighted_clusters": {"clusters": weighted}}


def _retry_policy(retry_on: str) -> dict[str, Any]:
    predicate = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    return {
        "retry_on": retry_on,
        "num_retries": 4,
        "retry_host_predicate": [
            {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": typed(predicate)}
        ],
        "host_selection_retry_max_attempts": 8,
        "retry_back_off": {"base_interval": duration(0.005), "max_interval": duration(0.1)},
    }
