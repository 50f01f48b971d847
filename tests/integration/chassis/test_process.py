"""The frame of a service process, as a supervisor and an operator see it."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from integration.chassis.bound_service import send_stop
from probe_port import ProbePort
from servers import NatsServer, clean_environment, free_port
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision

SAMPLE = Path(__file__).with_name("sample_service.py")
SUPPORT = Path(__file__).parents[2] / "support"
STOP_TIMEOUT = 15
"""Seconds: the default of every service."""


class Sample:
    """A running sample service."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.text: list[str] = []
        self.probes = ProbePort(port)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            text = line.decode()
            self.text.append(text)
            if text.startswith("{"):
                self.lines.append(json.loads(text))

    def said(self, message: str) -> dict[str, Any] | None:
        return next((line for line in self.lines if message in line["message"]), None)

    async def ended(self) -> int:
        code = await asyncio.wait_for(self.process.wait(), 60)
        await self._reading
        return code

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()


Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start sample services; what still runs at the end is killed."""
    started: list[Sample] = []

    async def start_sample(main: str, nats_url: str, **variables: str) -> Sample:
        port = free_port()
        environment = clean_environment(
            SLIPWAY_NATS_URL=nats_url, SLIPWAY_PROBE_PORT=str(port), PYTHONPATH=str(SUPPORT), **variables
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(SAMPLE), main, env=environment, stderr=asyncio.subprocess.PIPE
        )
        started.append(Sample(process, port))
        return started[-1]

    yield start_sample
    for sample in started:
        if sample.process.returncode is None:
            sample.process.kill()
        await sample.ended()


@asynccontextmanager
async def connected(server: NatsServer, **credentials: Any) -> AsyncIterator[Connection]:
    options = {"user": None, "password": None} | credentials
    connection = await Connection.open(url=server.url, name="test", **options)
    yield connection
    await connection.close()


async def test_sigterm_lets_the_service_finish_and_ends_with_code_zero(
    start: Start, provisioned_nats: NatsServer
) -> None:
    sample = await start("idle", provisioned_nats.url)
    await eventually(lambda: sample.said("working"))

    code = await sample.stop()

    assert code == 0
    assert sample.said("finished in time")
    assert sample.said("stopped")


async def test_work_that_outlasts_the_stop_timeout_is_cancelled_and_the_end_is_clean(
    start: Start, provisioned_nats: NatsServer
) -> None:
    sample = await start("stubborn", provisioned_nats.url, SLIPWAY_STOP_TIMEOUT="PT0.3S")
    await eventually(lambda: sample.said("working"))

    code = await sample.stop()

    assert code == 0
    assert sample.said("did not end in time")


async def test_main_that_returns_ends_the_process_with_code_zero(
    start: Start, provisioned_nats: NatsServer
) -> None:
    sample = await start("brief", provisioned_nats.url)

    assert await sample.ended() == 0


async def test_main_that_fails_ends_the_process_with_code_one_and_its_stack(
    start: Start, provisioned_nats: NatsServer
) -> None:
    sample = await start("broken", provisioned_nats.url)

    code = await sample.ended()

    line = sample.said("failed")
    assert code == 1
    assert line is not None
    assert line["level"] == "error"
    assert "the cat ate it" in line["exception"]


async def test_unknown_variable_fails_the_start_with_its_name_and_the_nearest_one(
    start: Start, fresh_nats: NatsServer
) -> None:
    sample = await start("idle", fresh_nats.url, SLIPWAY_SAMPLE_GREETINGS="hi")

    code = await sample.ended()

    assert code == 2
    assert "".join(sample.text) == (
        "slipway-sample: SLIPWAY_SAMPLE_GREETINGS is not a setting of this service; "
        "the nearest valid name is SLIPWAY_SAMPLE_GREETING\n"
    )


async def test_lines_carry_service_instance_time_and_the_words_of_the_caller(
    start: Start, provisioned_nats: NatsServer
) -> None:
    sample = await start(
        "idle", provisioned_nats.url, SLIPWAY_SERVICE_INSTANCE="sample-1", SLIPWAY_SAMPLE_GREETING="moi"
    )
    line = await eventually(lambda: sample.said("working"))

    assert line["service"] == "sample"
    assert line["instance"] == "sample-1"
    assert line["greeting"] == "moi"
    assert line["level"] == "info"
    assert line["time"].endswith("Z")


async def test_service_waits_for_the_server_and_says_so_then_begins(
    start: Start, fresh_nats: NatsServer
) -> None:
    fresh_nats.stop()
    sample = await start("idle", fresh_nats.url)

    await eventually(lambda: sample.said("waiting for NATS"))
    problem = await sample.probes.problem("log")
    assert f"127.0.0.1:{fresh_nats.port}; is it running? SLIPWAY_NATS_URL names it" in problem
    assert (await sample.probes.get("/healthz"))[0] == 200

    fresh_nats.start()

    async def not_provisioned() -> bool:
        return "python -m slipway_chassis.provision" in await sample.probes.problem("log")

    await eventually(not_provisioned)
    async with connected(fresh_nats) as connection:
        await provision(connection)
    await eventually(sample.probes.ready)
    await eventually(lambda: sample.said("working"))


async def test_service_waits_for_a_bucket_that_its_release_brought_and_names_it(
    start: Start, provisioned_nats: NatsServer, connection: Connection
) -> None:
    await call(connection, "STREAM.DELETE.KV_leases", within=5)
    await call(connection, "STREAM.DELETE.KV_tries", within=5)
    sample = await start("idle", provisioned_nats.url)

    await eventually(lambda: sample.said("not provisioned: KV_leases, KV_tries; run: python -m"))
    assert "KV_leases" in await sample.probes.problem("log")
    assert not sample.said("working")
    await provision(connection)
    await eventually(lambda: sample.said("working"))


async def test_service_waits_for_a_consumer_that_its_release_brought_and_names_it(
    start: Start, provisioned_nats: NatsServer, connection: Connection, log: EventLog
) -> None:
    await call(connection, "CONSUMER.DELETE.SLIPWAY.deployer", within=5)
    sample = await start("handling", provisioned_nats.url)

    async def says_it_is_missing() -> bool:
        return "the consumer deployer is not provisioned" in await sample.probes.problem("consumers")

    await eventually(says_it_is_missing)
    await send_stop(log)
    await provision(connection)
    await eventually(sample.probes.ready)
    await eventually(lambda: sample.said("handled"))
    assert await sample.stop() == 0


async def test_service_that_waits_for_its_consumer_stops_at_once(
    start: Start, provisioned_nats: NatsServer, connection: Connection
) -> None:
    await call(connection, "CONSUMER.DELETE.SLIPWAY.deployer", within=5)
    sample = await start("handling", provisioned_nats.url)
    await eventually(lambda: sample.said("is not provisioned"))

    assert await sample.stop() == 0
    assert not sample.said("did not end in time")


async def test_service_that_waits_for_the_server_stops_at_once(start: Start, fresh_nats: NatsServer) -> None:
    fresh_nats.stop()
    sample = await start("idle", fresh_nats.url)
    await eventually(lambda: sample.said("waiting for NATS"))

    assert await sample.stop() == 0


async def test_refused_credentials_are_named_and_tried_again(start: Start, tmp_path: Path) -> None:
    server = NatsServer(
        tmp_path / "closed", config='authorization { users: [{user: "sample", password: "right"}] }'
    )
    server.start()
    wrong = {"SLIPWAY_NATS_USER": "sample", "SLIPWAY_NATS_PASSWORD": "wrong-secret"}
    sample = await start("idle", server.url, **wrong)

    async def names_the_variables() -> bool:
        return "check SLIPWAY_NATS_USER and SLIPWAY_NATS_PASSWORD" in await sample.probes.problem("log")

    await eventually(names_the_variables)
    assert "'sample'" in await sample.probes.problem("log")
    assert sample.process.returncode is None
    assert "wrong-secret" not in "".join(sample.text)
    server.stop()


async def test_ready_service_reports_a_lost_server_and_its_return(
    start: Start, provisioned_nats: NatsServer
) -> None:
    sample = await start("idle", provisioned_nats.url)
    await eventually(sample.probes.ready)

    provisioned_nats.kill9()

    async def says_lost() -> bool:
        return str(provisioned_nats.port) in await sample.probes.problem("log")

    await eventually(says_lost)
    provisioned_nats.start()
    await eventually(sample.probes.ready)


async def test_removed_log_makes_a_service_unready(
    start: Start, provisioned_nats: NatsServer, connection: Connection
) -> None:
    sample = await start("idle", provisioned_nats.url)
    await eventually(sample.probes.ready)

    await call(connection, "STREAM.DELETE.SLIPWAY", within=5)

    assert "not provisioned" in await sample.probes.problem("log")


async def test_metrics_are_prometheus_text_of_process_and_event_loop(
    start: Start, provisioned_nats: NatsServer
) -> None:
    sample = await start("idle", provisioned_nats.url)
    await eventually(sample.probes.ready)

    status, body = await sample.probes.get("/metrics")

    assert status == 200
    assert 'slipway_info{service="sample"} 1.0' in body
    assert "slipway_event_loop_lag_seconds" in body
    assert "process_resident_memory_bytes" in body
    assert (await sample.probes.get("/nothing"))[0] == 404


async def test_bound_probe_port_is_in_the_log(start: Start, provisioned_nats: NatsServer) -> None:
    sample = await start("idle", provisioned_nats.url)
    line = await eventually(lambda: sample.said("probes listen"))

    assert line["port"] == sample.probes.port


async def test_request_and_the_messages_it_causes_are_one_trace_with_bounded_names(
    start: Start, provisioned_nats: NatsServer, tmp_path: Path
) -> None:
    traces = tmp_path / "traces.jsonl"
    sample = await start("traced", provisioned_nats.url, SLIPWAY_TRACES_FILE=str(traces))

    assert await sample.ended() == 0

    spans = [json.loads(line) for line in traces.read_text().splitlines()]
    by_id = {span["context"]["span_id"]: span for span in spans}
    trace_ids = {span["context"]["trace_id"] for span in spans}
    links = {(span["name"], by_id.get(span["parent_id"], {}).get("name")) for span in spans}
    assert trace_ids == {"0x0af7651916cd43dd8448eb211c80319c"}
    assert links == {
        ("POST /v1/things", None),
        ("publish release.ready", "POST /v1/things"),
        ("publish batch", "POST /v1/things"),
        ("process release.ready", "publish release.ready"),
        ("process release.ready", "publish batch"),
    }
    kinds = {span["name"]: span["kind"] for span in spans}
    assert kinds["publish release.ready"] == "SpanKind.PRODUCER"
    assert kinds["process release.ready"] == "SpanKind.CONSUMER"
    published = next(span for span in spans if span["name"] == "publish release.ready")
    assert published["attributes"]["messaging.system"] == "nats"
    assert published["attributes"]["messaging.destination.name"] == "SLIPWAY"
    assert published["resource"]["attributes"]["service.name"] == "sample"


@pytest.mark.parametrize("exported", [False, True])
async def test_lines_of_one_request_share_its_trace_id_with_and_without_export(
    start: Start, provisioned_nats: NatsServer, tmp_path: Path, *, exported: bool
) -> None:
    variables = {"SLIPWAY_TRACES_FILE": str(tmp_path / "traces.jsonl")} if exported else {}
    sample = await start("traced", provisioned_nats.url, **variables)

    assert await sample.ended() == 0

    serving, handling = sample.said("serving"), sample.said("handling")
    assert serving is not None
    assert handling is not None
    assert serving["trace_id"] == handling["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert serving["operation"] == "the-operation"
    assert "operation" not in handling


async def test_collector_that_is_away_does_not_hold_up_the_end(
    start: Start, provisioned_nats: NatsServer
) -> None:
    collector = f"http://127.0.0.1:{free_port()}"
    sample = await start("idle", provisioned_nats.url, OTEL_EXPORTER_OTLP_ENDPOINT=collector)
    await eventually(lambda: sample.said("working"))
    traced = await start("traced", provisioned_nats.url, OTEL_EXPORTER_OTLP_ENDPOINT=collector)
    began = time.monotonic()

    assert await traced.ended() == 0
    assert await sample.stop() == 0

    assert time.monotonic() - began < STOP_TIMEOUT


@pytest.mark.parametrize("module", ["process", "broker"])
async def test_importing_brings_in_nothing_heavy(module: str) -> None:
    heavy = {"opentelemetry.sdk", "aiohttp", "rich", "fastapi", "asyncpg"}
    if module == "process":
        heavy.add("faststream")
    code = f"import sys, slipway_chassis.{module}; print(*({heavy} & sys.modules.keys()))"

    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    loaded, _ = await process.communicate()

    assert process.returncode == 0
    assert loaded.decode().split() == []
