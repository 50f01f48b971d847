"""One trace from the HTTP request to the command, continued from the caller's."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from api_world import Api, running_api
from slipway_chassis.connection import Connection
from slipway_chassis.telemetry import configure_telemetry

TRACE = f"{0xABC:032x}"
CALLER = f"{0x123:016x}"


async def test_the_command_continues_the_trace_of_the_request(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> None:
    spans_file = tmp_path / "spans"
    telemetry = configure_telemetry(service="api", instance="test", traces_file=spans_file)
    database_url = await make_database()

    async with running_api(
        connection=connection, database_url=database_url, folder=tmp_path, telemetry=telemetry
    ) as api:
        await api.platform.publish_version()
        answer = await api.create(headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
        stored = await api.platform.log.last("slipway.default.digits.cmd.>")
    telemetry.close()

    spans: list[dict[str, Any]] = [json.loads(line) for line in spans_file.read_text().splitlines()]
    traced = [span for span in spans if span["context"]["trace_id"] == f"0x{TRACE}"]
    server = next(span for span in traced if span["kind"] == "SpanKind.SERVER")
    producers = [span for span in traced if span["kind"] == "SpanKind.PRODUCER"]
    assert answer.status_code == 202
    assert server["name"] == "POST /v1/groups/{group}/deployments"
    assert server["parent_id"] == f"0x{CALLER}"
    assert server["attributes"]["http.response.status_code"] == 202
    assert {producer["parent_id"] for producer in producers} == {server["context"]["span_id"]}
    assert stored is not None
    assert stored.envelope.traceparent is not None
    _, trace, span, _ = stored.envelope.traceparent.split("-")
    assert trace == TRACE
    assert f"0x{span}" in {producer["context"]["span_id"] for producer in producers}


async def test_without_an_exporter_ids_flow_all_the_same(api: Api) -> None:
    await api.platform.publish_version()
    await api.create(headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})

    stored = await api.platform.log.last("slipway.default.digits.cmd.>")

    assert stored is not None
    assert stored.envelope.traceparent is not None
    assert stored.envelope.traceparent.split("-")[1] == TRACE


@pytest.mark.parametrize("sent", ["broken", f"00-{0:032x}-{0:016x}-01"])
async def test_a_broken_traceparent_does_no_harm(api: Api, sent: str) -> None:
    answer = await api.http.get("/v1/me", headers={"traceparent": sent})

    assert answer.status_code == 200


async def test_requests_are_counted_by_route_never_by_path(api: Api) -> None:
    await api.http.get("/v1/groups/default/deployments/digits")
    await api.http.get("/v1/groups/default/deployments/other")

    text = api.service.metrics.render().decode()

    route = "/v1/groups/{group}/deployments/{deployment}"
    assert f'slipway_http_seconds_count{{method="GET",route="{route}",status="404"}} 2.0' in text
    assert "digits" not in text


async def test_a_request_that_is_refused_at_the_door_is_counted_by_the_route_it_was_for(api: Api) -> None:
    stranger = api.client(None)
    for path in ("/v1/groups/default/deployments/digits", "/nowhere/at/all"):
        assert (await stranger.get(path)).status_code == 401

    text = api.service.metrics.render().decode()

    for route in ("/v1/groups/{group}/deployments/{deployment}", "unrouted"):
        assert f'slipway_http_seconds_count{{method="GET",route="{route}",status="401"}} 1.0' in text
    assert "digits" not in text


async def test_a_method_that_nobody_knows_gets_no_time_series_of_its_own(api: Api) -> None:
    for method in ("LOCK", "PROPFIND"):
        await api.http.request(method, "/v1/me")

    text = api.service.metrics.render().decode()

    assert 'method="_OTHER",route="/v1/me",status="405"} 2.0' in text
    assert "PROPFIND" not in text
