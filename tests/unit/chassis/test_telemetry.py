"""Trace ids flow whether or not anything is exported."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from log_messages import make_outgoing
from opentelemetry.trace import SpanKind
from slipway_chassis.telemetry import Telemetry, configure_telemetry, current_traceparent

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = PARENT.split("-")[1]


def test_outside_of_any_span_there_is_no_traceparent() -> None:
    assert current_traceparent() is None


def test_request_without_a_trace_begins_one_that_all_inside_shares() -> None:
    telemetry = Telemetry()

    with telemetry.span("GET /v1/things", kind=SpanKind.SERVER):
        outer = current_traceparent()
        with telemetry.span("inner"):
            inner = current_traceparent()

    assert outer is not None
    assert outer == inner
    assert current_traceparent() is None


def test_two_requests_have_two_traces() -> None:
    telemetry = Telemetry()
    seen = []

    for _ in range(2):
        with telemetry.span("GET /v1/things"):
            seen.append(current_traceparent())

    assert len(set(seen)) == 2


@pytest.mark.parametrize("header", [PARENT, PARENT[:-2] + "00"])
def test_request_with_a_trace_continues_it_with_its_flags(header: str) -> None:
    with Telemetry().span("GET /v1/things", parent=header):
        assert current_traceparent() == header


@pytest.mark.parametrize(
    "header", ["", "nonsense", "00-0-0-01", f"ff-{PARENT[3:]}", "00-" + "0" * 32 + "-b7ad6b7169203331-01"]
)
def test_broken_header_begins_a_new_trace(header: str) -> None:
    with Telemetry().span("GET /v1/things", parent=header):
        traceparent = current_traceparent()

    assert traceparent is not None
    assert TRACE not in traceparent


def test_published_message_carries_the_trace_of_what_published_it() -> None:
    telemetry = Telemetry()

    with (
        telemetry.span("POST /v1/things", parent=PARENT),
        telemetry.publishing(make_outgoing(), stream="SLIPWAY") as (sent,),
    ):
        pass

    assert sent.envelope.traceparent == PARENT


def test_message_that_names_its_trace_keeps_it() -> None:
    telemetry = Telemetry()
    outgoing = make_outgoing(traceparent=PARENT)

    with (
        telemetry.span("reconcile"),
        telemetry.publishing(outgoing, make_outgoing(), stream="SLIPWAY") as (named, unnamed),
    ):
        own = current_traceparent()

    assert named.envelope.traceparent == PARENT
    assert unnamed.envelope.traceparent == own != PARENT


def test_exported_single_message_continues_the_trace_it_names(tmp_path: Path) -> None:
    telemetry = configure_telemetry(service="test", instance="1", traces_file=tmp_path / "traces")
    outgoing = make_outgoing(traceparent=PARENT)

    with telemetry.publishing(outgoing, stream="SLIPWAY") as (sent,):
        pass
    telemetry.close()

    assert sent.envelope.traceparent is not None
    assert TRACE in sent.envelope.traceparent
    assert sent.envelope.traceparent != PARENT
    assert "publish release.ready" in (tmp_path / "traces").read_text()


def test_the_name_of_a_span_is_bounded_whatever_type_a_message_claims(tmp_path: Path) -> None:
    telemetry = configure_telemetry(service="test", instance="1", traces_file=tmp_path / "traces")
    claimed = make_outgoing().envelope.model_copy(update={"type": "process.4711.v1"})

    with telemetry.processing(claimed, stream="SLIPWAY"):
        pass
    telemetry.close()

    (span,) = spans_of(tmp_path / "traces")
    assert span["name"] == "process unknown"
    assert span["attributes"]["slipway.message.type"] == "process.4711.v1"


OTHER = f"00-{'c' * 32}-{'d' * 16}-01"


def spans_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_batch_of_one_trace_is_published_in_it_and_linked_to_what_led_to_it(tmp_path: Path) -> None:
    telemetry = configure_telemetry(service="test", instance="1", traces_file=tmp_path / "traces")

    with (
        telemetry.span("reconcile", parent=OTHER),
        telemetry.publishing(
            make_outgoing(traceparent=PARENT), make_outgoing(traceparent=PARENT), stream="SLIPWAY"
        ) as sent,
    ):
        pass
    telemetry.close()

    published, around = spans_of(tmp_path / "traces")
    span_id = published["context"]["span_id"].removeprefix("0x")
    assert published["parent_id"] == f"0x{PARENT.split('-')[2]}"
    assert {each.envelope.traceparent for each in sent} == {f"00-{TRACE}-{span_id}-01"}
    assert [link["context"]["span_id"] for link in published["links"]] == [around["context"]["span_id"]]


def test_batch_of_several_traces_is_linked_to_each_and_leaves_each_message_its_own(tmp_path: Path) -> None:
    telemetry = configure_telemetry(service="test", instance="1", traces_file=tmp_path / "traces")

    with telemetry.publishing(
        make_outgoing(traceparent=PARENT), make_outgoing(traceparent=OTHER), stream="SLIPWAY"
    ) as (first, second):
        pass
    telemetry.close()

    (published,) = spans_of(tmp_path / "traces")
    assert first.envelope.traceparent is not None
    assert first.envelope.traceparent.split("-")[1] == TRACE
    assert second.envelope.traceparent == OTHER
    assert published["parent_id"] == f"0x{PARENT.split('-')[2]}"
    assert [link["context"]["span_id"] for link in published["links"]] == [f"0x{OTHER.split('-')[2]}"]


def test_span_of_the_past_begins_then(tmp_path: Path) -> None:
    telemetry = configure_telemetry(service="test", instance="1", traces_file=tmp_path / "traces")
    then = datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)

    with telemetry.span("start replica", began=then):
        pass
    telemetry.close()

    (span,) = spans_of(tmp_path / "traces")
    assert span["start_time"] == "2026-01-02T03:04:05.250000Z"


def test_failed_work_is_marked_in_its_span(tmp_path: Path) -> None:
    telemetry = configure_telemetry(service="test", instance="1", traces_file=tmp_path / "traces")

    with pytest.raises(KeyError), telemetry.span("work"):
        raise KeyError("x")
    telemetry.close()

    (span,) = spans_of(tmp_path / "traces")
    assert span["status"]["status_code"] == "ERROR"
    assert span["attributes"]["error.type"] == "KeyError"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "True"},
    ],
)
def test_nothing_is_exported_unless_asked_for(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    telemetry = configure_telemetry(service="test", instance="1", traces_file=None)

    with telemetry.span("work") as span:
        assert not span.is_recording()


def test_standard_variable_turns_export_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/v1/traces")

    telemetry = configure_telemetry(service="test", instance="1", traces_file=None)

    with telemetry.span("work") as span:
        assert span.is_recording()
    telemetry.close()
