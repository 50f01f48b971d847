"""What Envoy needs before the gateway service ever ran: bootstrap, listener, first clusters, routes and keys.

`python -m slipway_gateway.bootstrap --folder F --port P` makes it, with the standard library alone, so that
Envoy's start never waits for it. What the service writes is left alone once it is there.
"""

import argparse
import ipaddress
import json
import os
from pathlib import Path
from typing import Any, Final

from slipway_gateway.envoy_json import discovery, typed
from slipway_gateway.envoy_names import SECOND_TURN
from slipway_gateway.files import GatewayFolder
from slipway_gateway.guards import key_check
from slipway_gateway.listener import listeners
from slipway_gateway.routes import starting_configuration
from slipway_gateway.tracing import Tracing, TracingSettingError, tracing_clusters

_LONGEST_SOCKET_PATH: Final = 107
_CONNECTIONS: Final = 50_000
# Counters by status are kept whole: Envoy looks for each of them with every answer, and finds one that was
# refused slower than one that is there.
_KEPT_STATS: Final = (
    r"cluster\.[^.]+\.((internal|external)\.)?upstream_rq_(\d+|[1-5]xx|completed|time)"
    r"|cluster\.[^.]+\.(upstream_rq_(active|pending_active|total|timeout|retry|retry_success)"
    r"|upstream_cx_(active|total|connect_fail)|membership_(healthy|total))"
    r"|cluster_manager\.cds\..*|http\.gateway\.(rds\..*|downstream_(rq|cx)_(active|total)|downstream_rq_[1-5]xx)"
    r"|server\.(live|uptime|memory_.*|version)|listener_manager\.lds\..*"
)


class AddressError(ValueError):
    """Envoy cannot listen at this address."""


def prepare(
    folder: Path,
    *,
    port: int,
    host: str = "127.0.0.1",
    admin: str | None = None,
    access_log: Path | None = None,
    tracing: Tracing | None = None,
    count_statuses: bool = False,
) -> Path:
    """Write what Envoy starts from and return the bootstrap's path; idempotent.

    Args:
        folder: of the gateway; the service is given the same.
        port: where requests are taken.
        host: IP address to listen on, `0.0.0.0` or `::` for all.
        admin: path of a unix socket (default: `admin.sock` in the folder) or `127.0.0.1:port`.
        access_log: file for a JSON line per request; None: no such log.
        tracing: where spans go; None: no traces.
        count_statuses: whether Envoy keeps counters of answers by status and times per workload, which are
            a fifteenth of its work; with traces it does, for they tell of first answers.

    Raises:
        AddressError: the host is no IP address, the socket path too long, or the admin address none.
        OSError: the folder cannot be written.
    """
    files = GatewayFolder(folder)
    admin_address = _admin_address(admin or str(folder.absolute() / "admin.sock"))
    _check_ip(host)
    files.create()
    rendered = listeners(
        host=host,
        port=port,
        routes_path=str(files.routes),
        keys_path=str(files.keys),
        access_log=str(access_log.absolute()) if access_log else None,
        tracing=tracing,
        count_statuses=count_statuses or tracing is not None,
    )
    files.write(files.listeners, discovery(rendered))
    if files.read(files.keys) is None:
        files.write(files.keys, key_check(None))
    if files.read(files.clusters) is None:
        files.write(files.clusters, discovery([]))
    if files.read(files.routes) is None:
        files.write(files.routes, discovery([starting_configuration()]))
    bootstrap = json.dumps(_bootstrap(files, admin_address, tracing), indent=1).encode()
    files.write(files.bootstrap, bootstrap)
    return files.bootstrap


def _bootstrap(files: GatewayFolder, admin: dict[str, Any], tracing: Tracing | None) -> dict[str, Any]:
    return {
        "node": {"id": "gateway", "cluster": "slipway"},
        "admin": {"address": admin},
        "dynamic_resources": {
            "lds_config": _watched(files.listeners),
            "cds_config": _watched(files.clusters),
        },
        "static_resources": {"clusters": [_second_turn(), *tracing_clusters(tracing)]},
        "bootstrap_extensions": [
            {
                "name": "envoy.bootstrap.internal_listener",
                "typed_config": typed("envoy.extensions.bootstrap.internal_listener.v3.InternalListener"),
            }
        ],
        "stats_config": {
            "stats_matcher": {"inclusion_list": {"patterns": [{"safe_regex": {"regex": _KEPT_STATS}}]}}
        },
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": typed(
                        "envoy.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        max_active_downstream_connections=str(_CONNECTIONS),
                    ),
                }
            ]
        },
    }


def _second_turn() -> dict[str, Any]:
    """The cluster that hands a request to the internal listener of the same Envoy."""
    address = {"envoy_internal_address": {"server_listener_name": SECOND_TURN}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": SECOND_TURN,
        "type": "STATIC",
        "load_assignment": {"cluster_name": SECOND_TURN, "endpoints": endpoints},
        "circuit_breakers": {"thresholds": [{"max_connections": _CONNECTIONS, "max_requests": _CONNECTIONS}]},
    }


def _watched(file: Path) -> dict[str, Any]:
    return {"path_config_source": {"path": str(file)}, "resource_api_version": "V3"}


def _check_ip(host: str) -> None:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise AddressError(f"{host} is no IP address; Envoy listens on 127.0.0.1, 0.0.0.0, ...") from None


def _admin_address(admin: str) -> dict[str, Any]:
    if admin.startswith("/"):
        if len(os.fsencode(admin)) > _LONGEST_SOCKET_PATH:
            raise AddressError(
                f"{admin} has {len(os.fsencode(admin))} bytes, a unix socket's path has at most "
                f"{_LONGEST_SOCKET_PATH}: give a shorter path, or 127.0.0.1:port"
            )
        return {"pipe": {"path": admin, "mode": 0o600}}
    host, _, port = admin.rpartition(":")
    if not host or not port.isdigit():
        raise AddressError(f"{admin} is neither an absolute path nor host:port")
    _check_ip(host)
    return {"socket_address": {"address": host, "port_value": int(port)}}


def main() -> None:
    """Prepare a folder and print the path of the bootstrap."""
    parser = argparse.ArgumentParser(prog="slipway_gateway.bootstrap", description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--admin", help="path of a unix socket, or 127.0.0.1:port")
    parser.add_argument("--access-log", type=Path)
    parser.add_argument("--count-statuses", action="store_true", help="count answers by status per workload")
    given = parser.parse_args()
    try:
        made = prepare(**vars(given), tracing=Tracing.from_environment(os.environ))
    except (AddressError, TracingSettingError, OSError) as error:
        parser.error(str(error))
    print(made)  # noqa: T201 - the command's answer


if __name__ == "__main__":
    main()
