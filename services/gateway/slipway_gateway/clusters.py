"""Clusters in Envoy's words: static addresses, wide limits, ejection of replicas that refuse connections."""

from typing import Any, Final

from slipway_gateway.envoy_json import duration, text, typed
from slipway_gateway.model import Cluster, split_address

_HTTP: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_PLENTY: Final = 1_000_000
# Longer than a lost SYN takes to be repeated (1 s), which a server with a short queue of connections causes.
_CONNECT_SECONDS: Final = 3.0
# Servers close idle connections after 2 s (gunicorn) or 5 s (uvicorn, node). A request that crosses such a
# close is lost, and only an idempotent one may be sent again: this side has to close first.
_IDLE_SECONDS: Final = 1.0


def cluster(given: Cluster) -> str:
    """Return the cluster as a rendered Envoy resource."""
    return text(
        typed(
            "envoy.config.cluster.v3.Cluster",
            name=given.name,
            type="STATIC",
            connect_timeout=duration(_CONNECT_SECONDS),
            lb_policy="LEAST_REQUEST",
            load_assignment={
                "cluster_name": given.name,
                "endpoints": [{"lb_endpoints": [_endpoint(address) for address in given.addresses]}],
            },
            circuit_breakers={"thresholds": [_limits()]},
            outlier_detection=_ejection(),
            # Below this part of healthy replicas Envoy tries all: an ejected one is better than none.
            common_lb_config={"healthy_panic_threshold": {"value": 1}},
            typed_extension_protocol_options={
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": _http()
            },
        )
    )


def _endpoint(address: str) -> dict[str, Any]:
    host, port = split_address(address)
    return {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}


def _limits() -> dict[str, Any]:
    # Envoy's default of 3 retries at once turns the death of one replica into an outage of all.
    return {
        "max_connections": _PLENTY,
        "max_pending_requests": _PLENTY,
        "max_requests": _PLENTY,
        "retry_budget": {"budget_percent": {"value": 100}, "min_retry_concurrency": 1000},
    }


def _ejection() -> dict[str, Any]:
    # Only connections that fail count. An application's 5xx may be the answer to bad input, and would let a
    # client eject healthy replicas.
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 3,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": "1s",
        "base_ejection_time": "1s",
        "max_ejection_time": "10s",
        "max_ejection_percent": 100,
    }


def _http() -> dict[str, Any]:
    return typed(
        _HTTP,
        common_http_protocol_options={"idle_timeout": duration(_IDLE_SECONDS)},
        explicit_http_config={"http_protocol_options": {}},
    )
