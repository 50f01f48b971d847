"""Exports spans by the OpenTelemetry SDK: over OTLP/HTTP, or to a file as JSON lines.

Imported only when a variable asks for traces.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from slipway_chassis.telemetry import Telemetry

_CLOSE_SECONDS: Final = 2.0


class FileSpanExporter(SpanExporter):
    """Appends each span as one line, in one write: several processes may share the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append the spans."""
        lines = "".join(span.to_json(indent=None) + "\n" for span in spans).encode()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, lines)
        finally:
            os.close(descriptor)
        return SpanExportResult.SUCCESS


def make_telemetry(*, service: str, instance: str, otlp: bool, traces_file: Path | None) -> Telemetry:
    """Return telemetry that exports; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win over ours."""
    ours = {"service.namespace": "slipway", "service.name": service, "service.instance.id": instance}
    resource = Resource.create(ours).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporters: list[SpanExporter] = []
    if otlp:
        exporters.append(OTLPSpanExporter())
        provider.add_span_processor(BatchSpanProcessor(exporters[-1]))
    if traces_file is not None:
        provider.add_span_processor(SimpleSpanProcessor(FileSpanExporter(traces_file)))

    def close() -> None:
        # The SDK's own shutdown waits through all retries when no collector answers.
        ending = Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_CLOSE_SECONDS)
        if ending.is_alive():
            for exporter in exporters:
                exporter.shutdown()

    return Telemetry(tracer=provider.get_tracer("slipway"), close=close)
