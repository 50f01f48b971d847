"""Tracing of requests through Envoy: only where the environment names an OTLP endpoint, and then sampled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

from slipway_gateway.envoy_json import duration, typed

_CLUSTER: Final = "otlp"
_SERVICE: Final = "slipway-gateway"
_DEFAULT_SAMPLED: Final = 0.01
_PORTS: Final = {"http": 80, "https": 443}


class TracingSettingError(ValueError):
    """A variable of OpenTelemetry has a value that Envoy cannot use; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """Where spans go (OTLP over HTTP), and which part of the requests is sampled."""

    url: str
    sampled: float = _DEFAULT_SAMPLED

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Read the standard variables; None where no endpoint is named.

        Raises:
            TracingSettingError: the endpoint is no http URL, or the sampler's argument no part of one.
        """
        url = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        if url is None and (base := environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
            url = f"{base.rstrip('/')}/v1/traces"
        if not url or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise TracingSettingError(f"OTEL_EXPORTER_OTLP_ENDPOINT={url} is no http:// URL")
        argument = environment.get("OTEL_TRACES_SAMPLER_ARG", str(_DEFAULT_SAMPLED))
        try:
            sampled = float(argument)
        except ValueError:
            raise TracingSettingError(f"OTEL_TRACES_SAMPLER_ARG={argument} is no number") from None
        return cls(url=url, sampled=min(1.0, max(0.0, sampled)))


def tracing_rules(tracing: Tracing | None) -> dict[str, Any]:
    """Return the part of the connection manager that samples and reports."""
    if tracing is None:
        return {}
    report = {"http_uri": {"uri": tracing.url, "cluster": _CLUSTER, "timeout": duration(2)}}
    provider = typed("envoy.config.trace.v3.OpenTelemetryConfig", http_service=report, service_name=_SERVICE)
    return {
        "tracing": {
            "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
            "random_sampling": {"value": round(100 * tracing.sampled, 4)},
            "spawn_upstream_span": False,
        }
    }


def tracing_clusters(tracing: Tracing | None) -> list[dict[str, Any]]:
    """Return the static clusters that the reports need."""
    if tracing is None:
        return []
    parts = urlsplit(tracing.url)
    address = {"address": parts.hostname, "port_value": parts.port or _PORTS[parts.scheme]}
    endpoint = {"endpoint": {"address": {"socket_address": address}}}
    return [
        {
            "name": _CLUSTER,
            "type": "STRICT_DNS",
            "connect_timeout": duration(2),
            "load_assignment": {"cluster_name": _CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
    ]
