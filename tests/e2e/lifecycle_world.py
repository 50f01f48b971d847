"""What a random walk through the life of deployments needs: to ask, to hurt, and to look behind."""

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from e2e.running_platform import ENDED, FIXTURES, RunningPlatform
from eventually import until
from pydantic import SecretStr
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.topology import ConsumerSpec
from slipway_engines.engine import ReplicaObserved, SnapshotComplete
from slipway_engines.select import make_engine
from slipway_engines.supervisor.settings import SupervisorSettings
from slipway_standalone.runtime import folder_for

T = TypeVar("T")
GROUP: Final = "walk"
QUOTA: Final = {"deployments": 3, "replicas": 12}
LABELS: Final = ("good-1", "good-2", "broken")
_BROKEN: Final = {
    "slipway.yaml": "endpoints:\n  - name: greet\n    server-command: python app.py\n",
    "app.py": "raise SystemExit(3)\n",
}
_STARTED: Final = 1.2
"""Seconds after which supervisord counts a start: a kill before that delays the next one."""


@dataclass(frozen=True)
class Answer:
    """What the api said."""

    status: int
    body: dict[str, Any]

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def operation(self) -> str | None:
        operation = self.body.get("operation")
        return str(operation["id"]) if operation else None


class LifecycleWorld:
    """One running platform, seen through its api, its log, its engine and its files."""

    def __init__(self, platform: RunningPlatform, *, group: str = GROUP) -> None:
        self.platform = platform
        self.group = group
        self._runner = asyncio.Runner()
        connection = json.loads((platform.state / "connection.json").read_text())
        key = (platform.state / "admin.key").read_text().strip()
        self._http = httpx.Client(
            base_url=connection["url"], headers={"Authorization": f"Bearer {key}"}, timeout=30
        )
        self.gateway_url = str(connection["gateway_url"]).rstrip("/")
        self._nats = self.run(self._connect())
        self.log = EventLog(connection=self._nats)

    def close(self) -> None:
        self.run(self._nats.close())
        self._http.close()
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    async def _connect(self) -> Connection:
        credentials = json.loads((self.platform.state / "credentials.json").read_text())
        ports = json.loads((self.platform.state / "installation.json").read_text())["ports"]
        return await Connection.open(
            url=f"nats://127.0.0.1:{ports['nats']}",
            user="provisioner",
            password=SecretStr(credentials["nats"]["provisioner"]),
            name="walk",
        )

    def ask(self, method: str, path: str, body: object = None, *, key: str | None = None) -> Answer:
        """Ask the api; a request is tried again, as the same one, while the api itself is not there."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())} if method != "GET" else {}

        def answered() -> Answer:
            try:
                said = self._http.request(method, path, json=body, headers=headers)
            except httpx.TransportError as error:
                raise AssertionError(f"no answer: {error}") from error
            assert said.status_code != httpx.codes.SERVICE_UNAVAILABLE, said.text
            return Answer(said.status_code, said.json() if said.content else {})

        return self.wait(answered, f"{method} {path} is not answered", within=30)

    def of(self, deployment: str, *parts: str) -> str:
        return "/".join((f"/v1/groups/{self.group}/deployments", deployment, *parts)).rstrip("/")

    def prepare_group(self) -> None:
        """Make the group with its quota."""
        told = self.ask("PUT", f"/v1/groups/{GROUP}", {"description": "a random walk", "quota": QUOTA})
        assert told.status < 300, told

    def prepare_versions(self, deployment: str) -> None:
        """Build every version of a deployment that does not exist yet."""
        builds = []
        for label in LABELS:
            source = self.upload(label)
            told = self.ask("POST", self.of(deployment, "builds"), {"source": source, "label": label})
            assert told.status == 202, told
            builds.append(str(told.operation))
        for build in builds:
            assert self.ended(build)["state"] == "SUCCEEDED"

    def upload(self, label: str) -> str:
        """Upload one of the prepared sources."""
        return self.upload_files(label, _BROKEN if label == "broken" else _greeter(label))

    def upload_files(self, name: str, files: dict[str, str]) -> str:
        """Upload a source of these files; return its digest."""
        folder = self.platform.state.parent / f"source-{name}"
        folder.mkdir(exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(text)

        async def upload() -> str:
            async with self.platform.client(group=self.group) as client:
                return await client.upload_folder(folder)

        return self.run(upload())

    def newest(self, deployment: str) -> str:
        """Return the label of the newest version of a deployment."""
        return str(self.ask("GET", self.of(deployment, "versions")).body["items"][0]["label"])

    def end(self) -> int:
        """Return the last sequence of the log."""
        return self.run(self.log.end())

    def lease_names(self) -> set[str]:
        """Return the names of the leases that were ever taken and not forgotten."""
        told = self.run(call(self._nats, "STREAM.INFO.KV_leases", {"subjects_filter": ">"}, within=5))
        return {name.removeprefix("$KV.leases.") for name in told["state"].get("subjects", {})}

    def shorten_ack_wait(self, consumer: ConsumerSpec, ack_wait: timedelta) -> None:
        """Let what a consumer took and never acknowledged come again this late."""
        name = f"{consumer.stream}.{consumer.durable}"
        told = self.run(call(self._nats, f"CONSUMER.INFO.{name}", within=5))
        config = told["config"] | {"ack_wait": ack_wait // timedelta(microseconds=1) * 1000}
        request = {"stream_name": consumer.stream, "config": config, "action": "update"}
        self.run(call(self._nats, f"CONSUMER.CREATE.{name}", request, within=5))

    def messages(self, deployment: str, *, after: int) -> list[AnyMessage]:
        """Return what the log says of a deployment behind this sequence."""

        async def read() -> list[AnyMessage]:
            subject = subjects.deployment(self.group, deployment)
            return [each.message async for each in self.log.read(subject, after=after)]

        return self.run(read())

    def ended(self, operation: str, within: float = 90) -> dict[str, Any]:
        """Return the operation when it has ended."""

        def probe() -> dict[str, Any]:
            seen = self.ask("GET", f"/v1/operations/{operation}").body
            assert seen.get("state") in ENDED, self.story(seen)
            return seen

        return self.wait(probe, "the operation does not end", within)

    def story(self, operation: dict[str, Any]) -> str:
        """Say what the log knows of the deployment of an operation, for a failed assertion."""
        name = str(operation.get("deployment"))
        last = [repr(each)[:300] for each in self.messages(name, after=0) if each.type != "desired.v1"]
        desired = self.desired().get(name)
        return "\n".join([repr(operation), *last[-40:], desired.model_dump_json(indent=1) if desired else ""])

    @staticmethod
    def wait(probe: Callable[[], T | None], otherwise: str, within: float = 60) -> T:
        """Return the first truthy result of the probe; an AssertionError of it means not yet."""
        return until(probe, within, otherwise=otherwise)

    def desired(self) -> dict[str, Desired]:
        """Return the desired records of the group, by deployment."""
        return {each.deployment: each for each in self.everything_desired() if each.group == self.group}

    def releases(self, deployment: str) -> tuple[DesiredRelease, ...]:
        """Return the releases that a deployment keeps; none of one that has no record yet."""
        known = self.desired().get(deployment)
        return known.releases if known else ()

    def everything_desired(self) -> list[Desired]:
        """Return the desired records of the platform."""
        found = self.run(self.log.last_per_subject(subjects.ALL_DESIRED))
        return [each.message for each in found if isinstance(each.message, Desired)]

    def facts(self) -> dict[tuple[str, str, str], ReplicaFact]:
        """Return the last fact of every replica of the group, by deployment, workload and replica."""
        found = self.run(self.log.last_per_subject(f"slipway.{self.group}.*.replica.>"))
        facts = [each.message for each in found if isinstance(each.message, ReplicaFact)]
        return {(fact.deployment, fact.workload, fact.replica): fact for fact in facts}

    def running(self) -> dict[tuple[str, str, str], ReplicaObserved]:
        """Return the replicas of the group as the engine itself sees them now."""
        return self.run(self._running())

    async def _running(self) -> dict[tuple[str, str, str], ReplicaObserved]:
        installation = json.loads((self.platform.state / "installation.json").read_text())
        engine = make_engine("supervisor", self._engine_settings(str(installation["id"])))
        found: dict[tuple[str, str, str], ReplicaObserved] = {}
        async for seen in engine.observe():
            if isinstance(seen, SnapshotComplete):
                break
            if isinstance(seen, ReplicaObserved) and seen.ref.workload.group == self.group:
                found[seen.ref.workload.deployment, seen.ref.workload.id, seen.ref.id] = seen
        return {key: seen for key, seen in found.items() if seen.state is not ReplicaState.GONE}

    def _engine_settings(self, installation: str) -> SupervisorSettings:
        runtime = folder_for(self.platform.state, uid=os.geteuid(), session=os.environ.get("XDG_RUNTIME_DIR"))
        return SupervisorSettings(
            installation=installation,
            folder=self.platform.state / "engine",
            socket=runtime / "supervisor.sock",
            blob_root=self.platform.state / "blobs",
        )

    def kill_process(self, name: str) -> None:
        """Kill a service once its last start counts as one, and wait for the next."""
        self.wait(lambda: self._settled(name), f"{name} does not run")
        before = self.platform.pid(name)
        os.kill(before, signal.SIGKILL)
        self.wait(lambda: self._pid(name) != before, f"{name} does not come back")

    def _pid(self, name: str) -> int | None:
        try:
            return self.platform.pid(name)
        except (FileNotFoundError, ValueError):
            return None

    def _settled(self, name: str) -> bool:
        try:
            started = (Path("/proc") / str(self.platform.pid(name))).stat().st_ctime
        except (FileNotFoundError, ValueError):
            return False
        return time.time() - started > _STARTED

    def kill_replica(self, deployment: str, choice: int) -> bool:
        """Kill a running replica of a deployment; False where none runs."""
        pids = sorted(
            fact.pid
            for (owner, _, _), fact in self.facts().items()
            if owner == deployment and fact.pid and fact.state in {ReplicaState.STARTED, ReplicaState.READY}
        )
        if not pids:
            return False
        try:
            os.kill(pids[choice % len(pids)], signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True


def _greeter(label: str) -> dict[str, str]:
    folder = FIXTURES / "greeter"
    manifest = (folder / "slipway.yaml").read_text()
    source = (folder / "app.py").read_text().replace('"hello"', f'"{label}"')
    return {"slipway.yaml": manifest, "app.py": source}
