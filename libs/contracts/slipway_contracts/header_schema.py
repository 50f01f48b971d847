"""The headers of every message as JSON Schema, and those of an example; read off the envelope."""

from datetime import UTC, datetime
from typing import Any, Final

from slipway_contracts.codec import AnyMessage
from slipway_contracts.envelope import TYPE_PREFIX, Envelope, Origin
from slipway_contracts.names import derived_id

_AT: Final = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_TRACEPARENT: Final = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_ORIGIN: Final = Origin(
    user="ada", address="192.0.2.7", agent="slipway/0.1.0", request=derived_id("example", "request")
)
_BARE: Final = Envelope(
    id=derived_id("example"),
    type="release.ready.v1",
    source="/slipway/deployer",
    subject="default/digits",
    time=_AT,
)
_FULL: Final = _BARE.model_copy(
    update={
        "causation_id": _BARE.id,
        "correlation_id": _BARE.id,
        "traceparent": _TRACEPARENT,
        "origin": _ORIGIN,
    }
)
_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "Nats-Msg-Id": {"description": "As `ce-id`: a repeat within the duplicate window is dropped."},
    "content-type": {"const": "application/json"},
    "ce-specversion": {"const": "1.0"},
    "ce-id": {"description": Envelope.model_fields["id"].description},
    "ce-type": {"description": Envelope.model_fields["type"].description, "pattern": rf"^{TYPE_PREFIX}"},
    "ce-source": {"description": Envelope.model_fields["source"].description, "format": "uri-reference"},
    "ce-subject": {"description": Envelope.model_fields["subject"].description},
    "ce-time": {"description": "When it was said, in UTC.", "format": "date-time"},
    "ce-causationid": {"description": Envelope.model_fields["causation_id"].description},
    "ce-correlationid": {"description": Envelope.model_fields["correlation_id"].description},
    "traceparent": {"description": Envelope.model_fields["traceparent"].description},
    "ce-authtype": {
        "description": "Whether it is known who asked; absent where nobody did.",
        "enum": ["user", "unauthenticated"],
    },
    "ce-authid": {"description": f"Who asked. {Origin.model_fields['user'].description}"},
    "ce-clientaddress": {"description": f"Who asked. {Origin.model_fields['address'].description}"},
    "ce-useragent": {"description": f"Who asked. {Origin.model_fields['agent'].description}"},
    "ce-requestid": {"description": f"Who asked. {Origin.model_fields['request'].description}"},
}


def envelope_schema() -> dict[str, Any]:
    """Return the schema of the headers that every message of the log has or may have."""
    return {
        "type": "object",
        "description": "CloudEvents 1.0 in binary mode, as NATS headers.",
        "properties": {name: {"type": "string"} | _SCHEMAS[name] for name in _FULL.to_headers()},
        "required": list(_BARE.to_headers()),
    }


def example_headers(message: AnyMessage, sender: str) -> dict[str, str]:
    """Return the headers with which this example could have been sent."""
    identifier = derived_id("example", message.type)
    asked = sender == "api"
    envelope = Envelope(
        id=identifier,
        type=message.type,
        source=f"/slipway/{sender}",
        subject=_about(message),
        time=_AT,
        causation_id=None if asked else derived_id("example", "cause"),
        correlation_id=identifier if asked else derived_id("example", "command"),
        traceparent=_TRACEPARENT,
        origin=_ORIGIN if asked else None,
    )
    return envelope.to_headers()


def _about(message: AnyMessage) -> str:
    fields = (name for name in type(message).model_fields if name != "type")
    known = {name: str(value) for name in fields if (value := getattr(message, name))}
    if "group" in known:
        return "/".join(known[name] for name in ("group", "deployment", "secret", "digest") if name in known)
    return known.get("user") or next(iter(known.values()))
