"""What is made before Envoy starts, and the choices in it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from eventually import eventually
from gateway_replicas import Replica
from gateway_servers import GatewayHouse, envoy_binary
from gateway_world import DeploymentStory
from otlp_receiver import receiving
from servers import free_port
from slipway_gateway.tracing import Tracing


async def restart_with(house: GatewayHouse, replica: Replica, **options: Any) -> None:
    story = DeploymentStory()
    story.add_release(1)
    story.traffic = {1: 100}
    await house.serve(story.desired, story.fact(story.workload(1), address=replica.address))
    house.envoy.end()
    house.envoy.start(**options)
    await house.envoy.until_up()


def test_the_command_makes_what_envoy_takes(tmp_path: Path) -> None:
    folder = tmp_path / "with a space"

    made = subprocess.run(
        [sys.executable, "-m", "slipway_gateway.bootstrap", "--folder", str(folder), "--port", "8780"],
        check=True,
        capture_output=True,
        text=True,
    )
    bootstrap = made.stdout.strip()
    checked = subprocess.run(
        [str(envoy_binary()), "--mode", "validate", "-c", bootstrap],
        check=False,
        capture_output=True,
        text=True,
    )

    assert bootstrap == str(folder / "bootstrap.json")
    assert checked.returncode == 0, checked.stderr


def test_a_mistake_in_the_command_is_told_without_a_traceback(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "slipway_gateway.bootstrap", "--folder", str(tmp_path), "--port", "8780"]

    refused = subprocess.run([*command, "--admin", "nowhere"], check=False, capture_output=True, text=True)

    assert refused.returncode == 2
    assert "nowhere is neither an absolute path nor host:port" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_administration_may_listen_on_a_port(house: GatewayHouse, replicas: list[Replica]) -> None:
    await house.stop()
    house.envoy.end()
    house.envoy.admin = f"127.0.0.1:{free_port()}"
    house.envoy.start()
    await house.envoy.until_up()
    house.start()
    story = DeploymentStory()
    story.add_release(1)
    story.traffic = {1: 100}

    await house.serve(story.desired, story.fact(story.workload(1), address=replicas[0].address))

    assert (await house.get("/default/digits/predict"))[0] == 200


async def test_the_access_log_has_a_json_line_per_request(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    log = house.envoy.folder / "access.log"
    await restart_with(house, replicas[0], access_log=log)

    await house.get("/default/digits/predict/x?y=1")
    await house.get("/nobody")
    await eventually(lambda: log.read_text().count("\n") == 2, timeout=20)

    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert (first["path"], first["status"], first["replica"]) == (
        "/default/digits/predict/x?y=1",
        200,
        replicas[0].address,
    )
    assert (second["path"], second["status"], second["flags"]) == ("/nobody", 404, "NR")


@pytest.mark.parametrize("count_statuses", [False, True])
async def test_answers_are_counted_by_status_per_workload_only_on_request(
    house: GatewayHouse, replicas: list[Replica], count_statuses: bool
) -> None:
    await restart_with(house, replicas[0], count_statuses=count_statuses)

    await house.get("/default/digits/predict")
    admin = aiohttp.UnixConnector(path=house.envoy.admin)
    async with (
        aiohttp.ClientSession(connector=admin) as session,
        session.get("http://envoy/stats?filter=^cluster.*upstream_rq_(2xx|total)") as answer,
    ):
        counters = [line.split(": ") for line in (await answer.text()).splitlines()]

    counted = {name.rpartition(".")[2] for name, value in counters if value == "1"}
    assert counted == ({"upstream_rq_total", "upstream_rq_2xx"} if count_statuses else {"upstream_rq_total"})


@pytest.mark.parametrize(
    ("sampler", "flags", "sampled"),
    [
        ({}, "01", True),
        ({}, "00", False),
        ({"OTEL_TRACES_SAMPLER_ARG": "1"}, "00", False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, "01", True),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, "01", False),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}, "00", True),
    ],
)
async def test_a_request_is_sampled_as_its_caller_is_unless_the_sampler_says_otherwise(
    house: GatewayHouse, replicas: list[Replica], sampler: dict[str, str], flags: str, sampled: bool
) -> None:
    with receiving() as receiver:
        told = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, **sampler}
        await restart_with(house, replicas[0], tracing=Tracing.from_environment(told))
        traceparent = f"00-{'a' * 32}-{'b' * 16}-{flags}"

        _, answered = await house.get("/default/digits/predict", headers={"traceparent": traceparent})

        trace, flag = answered["headers"]["traceparent"].split("-")[1::2]
        assert (trace, flag) == ("a" * 32, "01" if sampled else "00")
        if sampled:
            await eventually(lambda: receiver.trace(trace), timeout=20)


async def test_a_sampled_request_is_a_span_in_the_trace_it_came_with(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    with receiving() as receiver:
        told = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x,share=5%25",
            "OTEL_RESOURCE_ATTRIBUTES": "team=ml%20ops",
            "OTEL_SERVICE_NAME": "edge",
            "OTEL_TRACES_SAMPLER_ARG": "1",
        }
        await restart_with(house, replicas[0], tracing=Tracing.from_environment(told))
        trace = "0af7651916cd43dd8448eb211c80319c"

        _, answered = await house.get(
            "/default/digits/predict", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        )
        await eventually(lambda: receiver.trace(trace), timeout=20)

        (span,) = receiver.trace(trace)
    assert answered["headers"]["traceparent"].split("-")[1] == trace
    assert (span.name, span.kind, span.parent) == ("ingress", "server", "b7ad6b7169203331")
    assert (span.service, span.resource["team"]) == ("edge", "ml ops")
    assert (receiver.headers["authorization"], receiver.headers["share"]) == ("Bearer x", "5%")
