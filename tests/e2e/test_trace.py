"""One deploy is one trace, from the HTTP request to the projection, as an OTLP collector receives it."""

import gzip
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from e2e.running_platform import FIXTURES, RunningPlatform
from eventually import eventually
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """Receives spans by OTLP over HTTP, and keeps (service, span name) per trace."""

    def __init__(self) -> None:
        self.traces: dict[str, set[tuple[str, str]]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            names = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    spans = self.traces.setdefault(span.trace_id.hex(), set())
                    spans.add((names["service.name"], span.name))

    def services_of_one_trace(self) -> set[str]:
        """Return the services in the trace that reaches the most of them."""
        seen = [{service for service, _ in spans} for spans in self.traces.values()]
        return max(seen, key=len, default=set())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self.take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        return Handler


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


async def test_a_deploy_of_a_source_is_one_trace_through_every_service(collector: Collector) -> None:
    with tempfile.TemporaryDirectory(prefix="slipway-trace-") as name:
        exporter = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        platform = RunningPlatform(state=Path(name) / "state", environment=exporter)
        platform.up()
        try:
            ran = platform.slipway("deploy", str(FIXTURES / "greeter"))
            assert ran.returncode == 0, ran.stdout + ran.stderr

            services = await eventually(
                lambda: complete(collector.services_of_one_trace()),
                timeout=15,
            )
        finally:
            platform.down()

    assert services is not None


def complete(services: set[str]) -> set[str] | None:
    short = {service.removeprefix("slipway-") for service in services}
    return short if short >= {"api", "builder", "deployer", "monitor", "projector"} else None
