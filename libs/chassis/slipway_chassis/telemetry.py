"""Traces through HTTP and every message; off, and without the SDK in memory, unless a variable asks for it.

Trace ids flow also when nothing is exported: a request's id is in the envelope of everything it causes.
Span names are bounded: types of messages and routes, never subjects or ids. Source of names and attributes:
OpenTelemetry semantic conventions for messaging.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import SystemRandom
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.envelope import Envelope

from slipway_chassis.stored import Outgoing

__all__ = ["SpanKind", "StatusCode", "Telemetry", "configure_telemetry", "current_traceparent"]

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_ASKED_FOR_BY: Final = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
)
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
_random: Final = SystemRandom()


def current_traceparent() -> str | None:
    """Return the W3C `traceparent` of what runs now, if it belongs to a trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


def _context_of(traceparent: str) -> SpanContext:
    """Return what a `traceparent` names; where it is broken, a context that is not valid."""
    context = _PROPAGATOR.extract({"traceparent": traceparent}, context=Context())
    return trace.get_current_span(context).get_span_context()


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

    @property
    def exports(self) -> bool:
        """Whether spans go anywhere: what only serves them need not be looked for otherwise."""
        return self._tracer is not None

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: str | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
        links: Sequence[str] = (),
        began: datetime | None = None,
    ) -> Iterator[Span]:
        """Run the body inside a span; an exception that leaves it marks it as failed.

        Args:
            name: bounded, as `POST /v1/deployments/{deployment}`.
            kind: server, client, producer, consumer or internal.
            parent: `traceparent` that came with a request or message; None, or a broken one: what runs now.
            attributes: by the semantic conventions.
            links: `traceparent` of what led to it beside its parent; broken ones are left out.
            began: when what it tells of began; None: now.
        """
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        if self._tracer is None:
            with trace.use_span(_pass_on(trace.get_current_span(context))) as span:
                yield span
            return
        linked = [found for each in links if (found := _context_of(each)).is_valid]
        with self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=attributes,
            links=[Link(each) for each in linked],
            start_time=None if began is None else int(began.timestamp() * 1e6) * 1000,
        ) as span:
            try:
                yield span
            except Exception as error:
                span.set_attribute("error.type", type(error).__name__)
                raise

    @contextmanager
    def publishing(self, *batch: Outgoing, stream: str) -> Iterator[Sequence[Outgoing]]:
        """Run the body inside a producer span; yields the messages with the `traceparent` to send.

        The span continues the trace that its messages name, where they name no other one, and is linked to
        what runs now. In a batch of several traces each message keeps its own, and the span is linked to it.
        """
        single = batch[0].envelope if len(batch) == 1 else None
        name = f"publish {_noun_verb(single)}" if single else "publish batch"
        attributes = _attributes(stream, "publish", "send", single)
        if single is None:
            attributes["messaging.batch.message_count"] = len(batch)
        parent, links = _place(batch)
        with self.span(name, kind=SpanKind.PRODUCER, parent=parent, attributes=attributes, links=links):
            own = current_traceparent()
            yield [_continuing(own, outgoing) for outgoing in batch]

    @contextmanager
    def processing(
        self,
        envelope: Envelope,
        *,
        stream: str,
        consumer: str | None = None,
        began: datetime | None = None,
    ) -> Iterator[Span]:
        """Run the handling of one message inside a consumer span that continues the message's trace.

        Args:
            envelope: of the message.
            stream: where it is from.
            consumer: the durable consumer that delivered it; None: it was followed.
            began: when it came; None: now.
        """
        attributes = _attributes(stream, "process", "process", envelope)
        if consumer is not None:
            attributes["messaging.consumer.group.name"] = consumer
        name = f"process {_noun_verb(envelope)}"
        with self.span(
            name, kind=SpanKind.CONSUMER, parent=envelope.traceparent, attributes=attributes, began=began
        ) as span:
            yield span

    def close(self) -> None:
        """Send what is not yet sent, for at most 2 s."""
        if self._close is not None:
            self._close()


def batch_attributes(count: int, *, stream: str) -> dict[str, AttributeValue]:
    """Return what a span says that is about several messages of a stream at once."""
    return {**_attributes(stream, "process", "process", None), "messaging.batch.message_count": count}


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


def _place(batch: Sequence[Outgoing]) -> tuple[str | None, Sequence[str]]:
    """Return the parent and the links of the span that publishes these messages."""
    named: dict[str, str] = {}
    for outgoing in batch:
        traceparent = outgoing.envelope.traceparent
        if traceparent is not None and (trace_id := _trace_of(traceparent)) is not None:
            named.setdefault(trace_id, traceparent)
    current = current_traceparent()
    whole = len(named) == 1 and all(_trace_of(each.envelope.traceparent) for each in batch)
    if current is None or (whole and _trace_of(current) not in named):
        parent, *links = named.values() if named else (None,)
        return parent, [each for each in (current, *links) if each is not None]
    named.pop(_trace_of(current) or "", None)
    return None, list(named.values())


def _continuing(traceparent: str | None, outgoing: Outgoing) -> Outgoing:
    """Return the message as part of this trace, unless it belongs to another one."""
    named = outgoing.envelope.traceparent
    if named == traceparent or _trace_of(named) not in {None, _trace_of(traceparent)}:
        return outgoing
    return replace(outgoing, envelope=outgoing.envelope.model_copy(update={"traceparent": traceparent}))


def _trace_of(traceparent: str | None) -> str | None:
    """Return the trace id of a usable `traceparent`."""
    found = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    return found[1] if found else None


def _noun_verb(envelope: Envelope) -> str:
    """Return what a span's name says of a message: one of the known types, whatever came."""
    return envelope.type.rpartition(".")[0] if envelope.type in MESSAGE_TYPES else "unknown"


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
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        asked = False
    if not asked and traces_file is None:
        return Telemetry()
    from slipway_chassis.trace_export import make_telemetry  # noqa: PLC0415 - the SDK costs 0.1 s and 5 MB

    return make_telemetry(service=service, instance=instance, otlp=asked, traces_file=traces_file)
