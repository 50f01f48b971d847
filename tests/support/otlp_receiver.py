"""Receives spans by OTLP over HTTP as a collector does, and keeps them all."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, kw_only=True)
class ReceivedSpan:
    """A span as it came; times in nanoseconds since the epoch, ids in hexadecimal."""

    service: str
    resource: dict[str, Any]
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    began: int
    ended: int
    attributes: dict[str, Any]
    links: frozenset[tuple[str, str]]
    failed: bool


class Receiver:
    """A collector of traces, for one test."""

    def __init__(self) -> None:
        self.spans: list[ReceivedSpan] = []
        self.headers: dict[str, str] = {}
        """Of the requests, by their names in small letters; the last value of each."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def environment(self) -> dict[str, str]:
        """What a user sets, so that every process sends its spans here, and soon."""
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}

    def trace(self, identifier: str) -> list[ReceivedSpan]:
        """Return the spans of one trace, by their begin."""
        found = [span for span in list(self.spans) if span.trace == identifier]
        return sorted(found, key=lambda span: span.began)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            about = {each.key: _value(each.value) for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [_received(about, span) for span in scope.spans]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take, headers = self._take, self.headers

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers.update({key.lower(): value for key, value in self.headers.items()})
                body = self._body()
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers["Content-Length"]))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        return Handler


def _received(resource: dict[str, Any], span: Any) -> ReceivedSpan:
    return ReceivedSpan(
        service=str(resource["service.name"]).removeprefix("slipway-"),
        resource=resource,
        name=span.name,
        kind=span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes={each.key: _value(each.value) for each in span.attributes},
        links=frozenset((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value") or "string_value")


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen while the body runs."""
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
