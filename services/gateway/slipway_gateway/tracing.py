"""Tracing of requests through Envoy: only where the environment names an OTLP endpoint, and then sampled."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

from slipway_gateway.envoy_json import duration, typed

_CLUSTER: Final = "otlp"
_SERVICE: Final = "slipway-gateway"
_DETECTOR: Final = "envoy.tracers.opentelemetry.resource_detectors.static_config"
_NEVER: Final = frozenset({"always_off", "parentbased_always_off"})
_DEFAULT_SAMPLED: Final = 0.01
_BY_PARENT: Final = "parentbased_"
_DEFAULT_SAMPLER: Final = "parentbased_traceidratio"
_MILLION: Final = 1_000_000
_PORTS: Final = {"http": 80, "https": 443}


class TracingSettingError(ValueError):
    """A variable of OpenTelemetry has a value that Envoy cannot use; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Tracing:
    """Where spans go (OTLP over HTTP), with what, and which part of the requests is sampled."""

    url: str
    sampled: float = _DEFAULT_SAMPLED
    follows_callers: bool = True
    """Whether a request that belongs to a trace is sampled as its caller is."""
    service: str = _SERVICE
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: Mapping[str, str] = field(default_factory=dict)
    """Attributes of whoever sends the spans, beside the name of the service."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self | None:
        """Read the standard variables; None where no endpoint is named.

        Raises:
            TracingSettingError: the endpoint is no http URL, or the sampler's argument no part of one.
        """
        url = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        if not url and (base := environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")):
            url = f"{base.rstrip('/')}/v1/traces"
        if not url or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return None
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise TracingSettingError(f"OTEL_EXPORTER_OTLP_ENDPOINT={url} is no http:// URL")
        resource = _pairs(environment.get("OTEL_RESOURCE_ATTRIBUTES"))
        named = resource.pop("service.name", _SERVICE)
        headers = environment.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS")
        return cls(
            url=url,
            sampled=_sampled(environment),
            follows_callers=_sampler(environment).startswith(_BY_PARENT),
            service=environment.get("OTEL_SERVICE_NAME") or named,
            headers=_pairs(headers or environment.get("OTEL_EXPORTER_OTLP_HEADERS")),
            resource=resource,
        )


def _sampler(environment: Mapping[str, str]) -> str:
    return environment.get("OTEL_TRACES_SAMPLER", "").strip().lower() or _DEFAULT_SAMPLER


def _sampled(environment: Mapping[str, str]) -> float:
    if _sampler(environment) in _NEVER:
        return 0.0
    argument = environment.get("OTEL_TRACES_SAMPLER_ARG") or str(_DEFAULT_SAMPLED)
    try:
        return min(1.0, max(0.0, float(argument)))
    except ValueError:
        raise TracingSettingError(f"OTEL_TRACES_SAMPLER_ARG={argument} is no number") from None


def _pairs(listed: str | None) -> dict[str, str]:
    """Return what a list of `key=value` says, each percent-encoded; what is no pair is left out."""
    pairs = [each.partition("=") for each in (listed or "").split(",")]
    return {unquote(key.strip()): unquote(value.strip()) for key, equals, value in pairs if equals and key}


def tracing_rules(tracing: Tracing | None) -> dict[str, Any]:
    """Return the part of the connection manager that samples and reports."""
    if tracing is None:
        return {}
    headers = [{"header": {"key": key, "value": _literal(value)}} for key, value in tracing.headers.items()]
    report = {
        "http_uri": {"uri": tracing.url, "cluster": _CLUSTER, "timeout": duration(2)},
        "request_headers_to_add": headers,
    }
    provider = typed(
        "envoy.config.trace.v3.OpenTelemetryConfig",
        http_service=report,
        service_name=tracing.service,
        resource_detectors=_resource(tracing.resource),
        sampler=_sampler_rule(tracing),
    )
    return {
        "tracing": {
            "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": provider},
            "spawn_upstream_span": False,
        }
    }


def _sampler_rule(tracing: Tracing) -> dict[str, Any]:
    # The connection manager's own share would overrule what the caller decided.
    share = {"numerator": round(tracing.sampled * _MILLION), "denominator": "MILLION"}
    rule = _extension("trace_id_ratio_based", "TraceIdRatioBasedSamplerConfig", sampling_percentage=share)
    if tracing.follows_callers:
        rule = _extension("parent_based", "ParentBasedSamplerConfig", wrapped_sampler=rule)
    return rule


def _extension(name: str, message: str, **values: object) -> dict[str, Any]:
    config = typed(f"envoy.extensions.tracers.opentelemetry.samplers.v3.{message}", **values)
    return {"name": f"envoy.tracers.opentelemetry.samplers.{name}", "typed_config": config}


def _literal(value: str) -> str:
    """Return what Envoy takes as this value: a percent sign begins a command of its formats."""
    return value.replace("%", "%%")


def _resource(attributes: Mapping[str, str]) -> list[dict[str, Any]]:
    if not attributes:
        return []
    config = typed(
        "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
        attributes=dict(attributes),
    )
    return [{"name": _DETECTOR, "typed_config": config}]


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
