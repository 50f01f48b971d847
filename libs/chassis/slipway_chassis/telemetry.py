"""Traces through HTTP and every message; off, and without the SDK in memory, unless a variable asks for it.

Trace ids flow also when nothing is exported: a request's id is in the envelope of everything it causes.
Span names are bounded: types of messages and routes, never subjects or ids. Source of names and attributes:
OpenTelemetry semantic conventions for messaging.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import SystemRandom
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from slipway_contracts.envelope import Envelope

from slipway_chassis.stored import Outgoing

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_ASKED_FOR_BY: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
_random: Final = SystemRandom()


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of what runs now, if it belongs to a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


class Telemetry:
    """Makes spans for one process.

    Args:
        tracer: where spans go; None: nowhere, but their context still flows.
        close: sends what is not yet sent.
    """

    def __init__(
        self, *, tracer: trace.Tracer | None = None, close: Callable[[], None] | None = None
    ) -> None:
        self._tracer = tracer
        self._close = close

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[Span]:
        """Run the body inside a span; an exception that leaves it marks it as failed.

        Args:
            name: bounded, as `POST /v1/deployments/{deployment}`.
            kind: server, client, producer, consumer or internal.
            parent: `traceparent` that came with a request or message; None, or a broken one: what runs now.
            attributes: by the semantic conventions.
        """
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        if self._tracer is None:
            with trace.use_span(_pass_on(trace.get_current_span(context))) as span:
                yield span
        else:
            with self._tracer.start_as_current_span(
                name, context=context, kind=kind, attributes=attributes
            ) as span:
                yield span

    @contextmanager
    def publishing(self, *batch: Outgoing, stream: str) -> Iterator[Sequence[Outgoing]]:
        """Run the body inside a producer span; yields the messages with the `traceparent` to send.

        A single message that has one already continues that trace; in a batch each keeps its own.
        """
        name = f"publish {_noun_verb(batch[0].envelope)}" if len(batch) == 1 else "publish batch"
        parent = batch[0].envelope.traceparent if len(batch) == 1 else None
        attributes = _attributes(stream, "publish", "send", batch[0].envelope if len(batch) == 1 else None)
        if len(batch) > 1:
            attributes["messaging.batch.message_count"] = len(batch)
        with self.span(name, kind=SpanKind.PRODUCER, parent=parent, attributes=attributes):
            own = current_traceparent()
            yield [
                outgoing
                if outgoing.envelope.traceparent and len(batch) > 1
                else replace(outgoing, envelope=outgoing.envelope.model_copy(update={"traceparent": own}))
                for outgoing in batch
            ]

    @contextmanager
    def processing(self, envelope: Envelope, *, stream: str) -> Iterator[Span]:
        """Run the handling of one message inside a consumer span that continues the message's trace."""
        attributes = _attributes(stream, "process", "process", envelope)
        name = f"process {_noun_verb(envelope)}"
        with self.span(
            name, kind=SpanKind.CONSUMER, parent=envelope.traceparent, attributes=attributes
        ) as span:
            yield span

    def close(self) -> None:
        """Send what is not yet sent, for at most 2 s."""
        if self._close is not None:
            self._close()


def _pass_on(span: Span) -> Span:
    """Return a span that records nothing: of the caller's trace, or of a new one where there is none."""
    if span.get_span_context().is_valid:
        return NonRecordingSpan(span.get_span_context())
    return NonRecordingSpan(
        SpanContext(
            trace_id=_random.getrandbits(128) or 1,
            span_id=_random.getrandbits(64) or 1,
            is_remote=False,
            trace_flags=TraceFlags(TraceFlags.SAMPLED),
        )
    )


def _noun_verb(envelope: Envelope) -> str:
    return envelope.type.rpartition(".")[0] or envelope.type


def _attributes(
    stream: str, operation: str, operation_type: str, envelope: Envelope | None
) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {
        "messaging.system": "nats",
        "messaging.destination.name": stream,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation_type,
    }
    if envelope is not None:
        attributes["messaging.message.id"] = envelope.id
        attributes["slipway.message.type"] = envelope.type
        if envelope.correlation_id is not None:
            attributes["messaging.message.conversation_id"] = envelope.correlation_id
    return attributes


def configure_telemetry(*, service: str, instance: str, traces_file: Path | None) -> Telemetry:
    """Return the telemetry that the standard `OTEL_*` variables and `traces_file` ask for."""
    asked = any(os.environ.get(name) for name in _ASKED_FOR_BY)
    if os.environ.get("OTEL_TRACES_EXPORTER") == "none" or os.environ.get("OTEL_SDK_DISABLED") == "true":
        asked = False
    if not asked and traces_file is None:
        return Telemetry()
    from slipway_chassis.trace_export import make_telemetry  # noqa: PLC0415 - the SDK costs 0.1 s and 5 MB

    return make_telemetry(service=service, instance=instance, otlp=asked, traces_file=traces_file)
