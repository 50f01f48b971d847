"""A real Envoy, the gateway service before it, and load on both."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
from eventually import eventually
from servers import clean_environment, die_with_parent, free_port
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.telemetry import Telemetry
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.gateway import GatewayRecord
from slipway_contracts.replica import ReplicaFact
from slipway_gateway.admin import EnvoyAdmin, EnvoyDownError
from slipway_gateway.bootstrap import prepare
from slipway_gateway.main import serve
from slipway_gateway.settings import GatewaySettings


def envoy_binary() -> Path:
    spec = find_spec("envoy")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "_bin" / "envoy"


class EnvoyServer:
    """Envoy on a folder that the gateway has prepared, with its own port and socket."""

    def __init__(self) -> None:
        # Pytest's folders are too long for the path of a unix socket.
        self.folder = Path(tempfile.mkdtemp(prefix="slipway gateway "))
        self.port = free_port()
        self.admin = str(self.folder / "admin.sock")
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log_text(self) -> str:
        return (self.folder / "envoy.log").read_text()

    def prepare(self, **options: Any) -> Path:
        return prepare(self.folder / "state", port=self.port, admin=self.admin, **options)

    def files(self) -> dict[str, bytes]:
        """The bytes of all files that Envoy watches."""
        return {each.name: each.read_bytes() for each in (self.folder / "state" / "xds").iterdir()}

    def start(self, **options: Any) -> None:
        command = [str(envoy_binary()), "-c", str(self.prepare(**options)), "--concurrency", "2"]
        command += ["--disable-hot-restart", "--log-level", "warning"]
        with (self.folder / "envoy.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent(),  # noqa: PLW1509
            )

    def end(self, signal_number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(signal_number)
            self._process.wait(timeout=10)
            self._process = None

    def remove(self) -> None:
        self.end()
        shutil.rmtree(self.folder)

    async def until_up(self) -> None:
        async def answers() -> bool:
            try:
                return bool((await admin.versions())["routes"])
            except EnvoyDownError as error:
                raise AssertionError(self.log_text) from error

        admin = EnvoyAdmin(address=self.admin)
        await eventually(answers)
        admin.close()


@dataclass
class Load:
    """Requests at a fixed rate, each counted by what came of it."""

    session: aiohttp.ClientSession
    url: str
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def running(self, rate: float = 200.0) -> AsyncIterator["Load"]:
        stop = asyncio.Event()
        task = asyncio.create_task(self._run(rate, stop))
        yield self
        stop.set()
        await task

    @property
    def sent(self) -> int:
        return self.answers.total() + len(self.failures)

    async def more(self, requests: int) -> None:
        """Return after so many more requests have ended."""
        goal = self.sent + requests
        await eventually(lambda: self.sent >= goal, timeout=30)

    async def _run(self, rate: float, stop: asyncio.Event) -> None:
        started, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                tasks.create_task(self._request())
                number += 1
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))

    async def _request(self) -> None:
        try:
            async with self.session.post(self.url, data=b"x" * 100) as answer:
                body = await answer.json()
                if answer.status == 200:
                    self.answers[body["by"]] += 1
                else:
                    self.failures.append(f"{answer.status} {body.get('reason')}")
        except aiohttp.ClientError as error:
            self.failures.append(repr(error))


class GatewayHouse:
    """The log, one Envoy, and the gateway service between them, to be started and ended by a test."""

    def __init__(self, *, connection: Connection, envoy: EnvoyServer, session: aiohttp.ClientSession) -> None:
        self.connection = connection
        self.key_set: Path | None = None
        self.telemetry = Telemetry()
        self.log = EventLog(connection=connection)
        self.envoy = envoy
        self.session = session
        self._task: asyncio.Task[None] | None = None
        self._service: Service[GatewaySettings] | None = None

    def start(self) -> None:
        metrics = Metrics(service="gateway")
        self._service = Service(
            name="gateway",
            settings=GatewaySettings(
                envoy_dir=self.envoy.folder / "state",
                envoy_admin=self.envoy.admin,
                gateway_id="one",
                endpoint_jwks=self.key_set,
            ),
            connection=self.connection,
            log=self.log,
            telemetry=self.telemetry,
            metrics=metrics,
            probes=Probes(metrics=metrics),
            stopping=asyncio.Event(),
        )
        self._task = asyncio.create_task(serve(self._service))

    async def stop(self) -> None:
        if self._service is not None and self._task is not None:
            self._service.stopping.set()
            await self._task
            self._task = None

    async def problems(self) -> dict[str, str]:
        assert self._service is not None
        return await self._service.probes.problems()

    def confirmed(self) -> float:
        """Return the position by which Envoy serves, as the metrics say; no record is waited for."""
        assert self._service is not None
        return self._service.metrics.registry.get_sample_value("slipway_gateway_applied_sequence") or 0.0

    async def publish(self, *messages: Desired | ReplicaFact) -> int:
        """Store messages as deployer and monitor do; return the last sequence."""
        sequence = 0
        for message in messages:
            envelope = Envelope(
                id=new_id(), type=message.type, source="/test", subject="default/digits", time=now()
            )
            outgoing = Outgoing(subject=subjects.of(message), message=message, envelope=envelope)
            sequence = (await self.log.publish(outgoing)).sequence
        return sequence

    async def record(self) -> GatewayRecord | None:
        beats = await Heartbeats(connection=self.connection, bucket="gateways").list()
        return GatewayRecord.model_validate_json(beats[0].data or b"") if beats else None

    async def applied(self, sequence: int) -> GatewayRecord:
        """Return the gateway's record once it says that Envoy serves by this position."""

        async def reached() -> GatewayRecord | None:
            record = await self.record()
            return record if record and record.applied >= sequence and record.envoy == "ok" else None

        record = await eventually(reached)
        assert record is not None
        return record

    async def serve(self, *messages: Desired | ReplicaFact) -> GatewayRecord:
        """Publish and wait until Envoy serves by it."""
        return await self.applied(await self.publish(*messages))

    async def get(self, path: str, method: str = "GET", **options: Any) -> tuple[int, Any]:
        """Return status and JSON body of a request through Envoy."""
        async with self.session.request(method, self.envoy.url + path, **options) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if "json" in answer.content_type else text


def gateway_process(house: GatewayHouse, nats_url: str, **variables: str) -> subprocess.Popen[bytes]:
    """Start the gateway as the process it is in an installation."""
    environment = clean_environment(
        SLIPWAY_NATS_URL=nats_url,
        SLIPWAY_ENVOY_DIR=str(house.envoy.folder / "state"),
        SLIPWAY_ENVOY_ADMIN=house.envoy.admin,
        SLIPWAY_GATEWAY_ID="one",
        **variables,
    )
    with Path(os.devnull).open("wb") as nowhere:
        return subprocess.Popen(
            [sys.executable, "-m", "slipway_gateway.main"],
            env=environment,
            stderr=nowhere,
            preexec_fn=die_with_parent(),  # noqa: PLW1509
        )
