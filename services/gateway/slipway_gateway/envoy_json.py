"""Envoy v3 resources as JSON text: typed messages, durations, discovery documents with a version."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

_TEN_YEARS: Final = 315_576_000.0
_TYPE_PREFIX: Final = "type.googleapis.com/"


def typed(name: str, /, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """Return a message as it stands in a protobuf `Any`."""
    return {"@type": _TYPE_PREFIX + name, **fields}


def duration(seconds: float) -> str:
    """Return a protobuf duration: milliseconds, at least one and at most ten years of them."""
    return f"{min(_TEN_YEARS, max(0.001, seconds)):.3f}".rstrip("0").rstrip(".") + "s"


def text(value: Any) -> str:  # noqa: ANN401 - any JSON
    """Return compact JSON with stable bytes for equal values."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def discovery(resources: Iterable[str]) -> bytes:
    """Return a DiscoveryResponse of these rendered resources; its version is the digest of its content."""
    body = ",\n".join(resources)
    version = hashlib.sha256(body.encode()).hexdigest()[:16]
    return f'{{"version_info":"{version}","resources":[\n{body}\n]}}\n'.encode()


def version_of(document: bytes) -> str:
    """Return the version of a document that `discovery` made."""
    return document.split(b'"', 4)[3].decode()
