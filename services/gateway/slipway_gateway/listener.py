"""Listeners in Envoy's words: HTTP rules, filters, websockets, and local replies as problem documents."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from slipway_gateway import guards, problem
from slipway_gateway.envoy_json import duration, text, typed
from slipway_gateway.envoy_names import BUFFER, SECOND_TURN, UNANNOUNCED
from slipway_gateway.problem import Problem
from slipway_gateway.routes import LARGEST_UNANNOUNCED_BODY, LONGEST_IDLE_SECONDS, ROUTE_CONFIG
from slipway_gateway.tracing import Tracing, tracing_rules

STAT_PREFIX: Final = "gateway"
_HCM: Final = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_EARLY: Final = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
_ROUTER: Final = "envoy.extensions.filters.http.router.v3.Router"


def listeners(
    *,
    host: str,
    port: int,
    routes_path: str,
    keys_path: str,
    access_log: str | None,
    tracing: Tracing | None,
    count_statuses: bool,
) -> list[str]:
    """Return the rendered Envoy resources: the listener for clients, and the one for the second turn.

    Who may call is checked on the first turn only.
    """
    filters = [*guards.filters(keys_path), _buffer(), _router(count_statuses=count_statuses)]
    outer = _manager(routes_path, _for_clients(access_log, tracing), filters)
    inner = _manager(routes_path, {"use_remote_address": False}, [_router(count_statuses=False)])
    address = {"socket_address": {"address": host, "port_value": port, "ipv4_compat": host == "::"}}
    return [
        _listener("gateway", outer, address=address),
        _listener(SECOND_TURN, inner, internal_listener={}),
    ]


def _listener(name: str, manager: dict[str, Any], **place: Any) -> str:  # noqa: ANN401 - any JSON
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return text(typed("envoy.config.listener.v3.Listener", name=name, filter_chains=[chain], **place))


def _manager(routes_path: str, rules: dict[str, Any], filters: list[dict[str, Any]]) -> dict[str, Any]:
    routes = {"path_config_source": {"path": routes_path}, "resource_api_version": "V3"}
    return typed(
        _HCM,
        stat_prefix=STAT_PREFIX,
        rds={"route_config_name": ROUTE_CONFIG, "config_source": routes},
        preserve_external_request_id=True,
        stream_idle_timeout=duration(LONGEST_IDLE_SECONDS),
        server_header_transformation="PASS_THROUGH",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        http_filters=filters,
        local_reply_config={"mappers": [*_mappers()]},
        **rules,
    )


def _for_clients(access_log: str | None, tracing: Tracing | None) -> dict[str, Any]:
    return {
        # This is the edge: the peer's address is the client's, and no client may set Envoy's own headers.
        "use_remote_address": True,
        # HTTP/2 would allow bodies of unknown size that nothing marks; replicas speak HTTP/1.1 anyway.
        "codec_type": "HTTP1",
        "normalize_path": True,
        "generate_request_id": True,
        "request_headers_timeout": duration(10),
        "early_header_mutation_extensions": [_mark_unannounced()],
        "http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "localhost"},
        "access_log": _access_log(access_log),
        **tracing_rules(tracing),
    }


def _mark_unannounced() -> dict[str, Any]:
    """Envoy drops `transfer-encoding` before it looks for a route."""
    mark = {"header": {"key": UNANNOUNCED, "value": "%REQ(TRANSFER-ENCODING)%"}}
    mutations = [{"remove": UNANNOUNCED}, {"append": mark | {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}]
    return {"name": "unannounced", "typed_config": typed(_EARLY, mutations=mutations)}


def _router(*, count_statuses: bool) -> dict[str, Any]:
    router = typed(_ROUTER, suppress_envoy_headers=True, dynamic_stats=count_statuses)
    return {"name": "envoy.filters.http.router", "typed_config": router}


def _buffer() -> dict[str, Any]:
    """Switched on by the routes of bodies that have to be counted."""
    buffer = typed(
        "envoy.extensions.filters.http.buffer.v3.Buffer", max_request_bytes=LARGEST_UNANNOUNCED_BODY
    )
    return {"name": BUFFER, "disabled": True, "typed_config": buffer}


def _mappers() -> list[dict[str, Any]]:
    """The first that matches shapes the reply: flags are of Envoy's own, a mere status is that of a route."""
    of_routes = (
        problem.ENDPOINT_UNKNOWN,
        problem.DEPLOYMENT_STOPPED,
        problem.NO_READY_REPLICA,
        problem.BODY_TOO_LARGE,
        problem.ENDPOINT_KEYS_UNCHECKABLE,
        problem.ACCESS_NOT_APPLIED,
    )
    return [
        _mapper(_flags("NR"), problem.DEPLOYMENT_UNKNOWN),
        _mapper(_flags("NC"), problem.GATEWAY_STARTING),
        _mapper(_flags("UT", "SI", "DT"), problem.UPSTREAM_TIMEOUT),
        _mapper(_flags("UF", "UH"), problem.NO_READY_REPLICA),
        _mapper(_flags("UO", "OM", "RL"), problem.GATEWAY_OVERLOADED),
        _mapper(_flags("UC", "UR", "LR", "UPE", "URX"), problem.UPSTREAM_RESET),
        # Envoy also forbids an upgrade that it does not know, whoever asks for it.
        _mapper(_all(_status(HTTPStatus.FORBIDDEN), guards.valid_key()), problem.KEY_REFUSED),
        _mapper(_status(HTTPStatus.UNAUTHORIZED), problem.ACCESS_DENIED),
        _mapper(_flags(), problem.REQUEST_REFUSED),
        *(_mapper(_status(status), each) for each in of_routes if (status := each.mark or each.status)),
        _mapper(_status(HTTPStatus.BAD_REQUEST, "GE"), problem.REQUEST_REFUSED),
    ]


def _mapper(accepts: dict[str, Any], given: Problem) -> dict[str, Any]:
    mapper: dict[str, Any] = {"filter": accepts, "body_format_override": given.body_format()}
    if given.status is not None:
        mapper["status_code"] = int(given.status)
    if given.headers():
        mapper["headers_to_add"] = given.headers()
    return mapper


def _all(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"and_filter": {"filters": list(filters)}}


def _flags(*flags: str) -> dict[str, Any]:
    return {"response_flag_filter": {"flags": list(flags)}}


def _status(status: HTTPStatus, operator: str = "EQ") -> dict[str, Any]:
    value = {"default_value": int(status), "runtime_key": f"slipway.local_reply.{int(status)}"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}


def _access_log(path: str | None) -> Sequence[dict[str, Any]]:
    if path is None:
        return []
    line = {
        "time": "%START_TIME%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(X-FORWARDED-PREFIX)%%PATH(WQ)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "milliseconds": "%DURATION%",
        "sent_bytes": "%BYTES_SENT%",
        "received_bytes": "%BYTES_RECEIVED%",
        "workload": "%UPSTREAM_CLUSTER%",
        "replica": "%UPSTREAM_HOST%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "trace_id": "%TRACE_ID%",
    }
    file_log = typed(
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": line, "omit_empty_values": True},
    )
    return [{"name": "file", "typed_config": file_log}]
