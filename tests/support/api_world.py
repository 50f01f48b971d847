"""The api on a real NATS and a real Postgres, with the projector; other services are played by the test."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from eventually import eventually
from prometheus_client import CollectorRegistry
from servers import free_port
from slipway_api.bootstrap import bootstrap
from slipway_api.identity.access import api_key_digest, key_id, new_key
from slipway_api.main import serve
from slipway_api.settings import ApiSettings
from slipway_api.submitting.outgoing import outgoing
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog, Outgoing
from slipway_chassis.metrics import Metrics
from slipway_chassis.probes import Probes
from slipway_chassis.process import Service
from slipway_chassis.telemetry import Telemetry
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.events import (
    BuildStarted,
    BuildSucceeded,
    OperationSucceeded,
    ReleaseCreated,
    ReleaseLive,
    ReleaseReady,
    ReleaseStarting,
)
from slipway_contracts.installation_events import GroupConfigured, KeyConfigured, RoleGrant, TargetAnnounced
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.traffic import TrafficShare
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_contracts.workload import Workload
from slipway_projector.database import Database
from slipway_projector.meters import Meters
from slipway_projector.projector import Projector

SOURCE = b"a tar.gz, as far as the api cares"
SOURCE_DIGEST = f"sha256:{hashlib.sha256(SOURCE).hexdigest()}"


def make_version(
    label: str = "20260101.1", deployment: str = "digits", build: str | None = None, **overrides: Any
) -> Version:
    identifier = build or derived_id("version", deployment, label)
    endpoint = EndpointSpec(
        name="predict", image=f"sha256:{1:064x}", command=CommandSpec(argv=("serve",)), **overrides
    )
    return Version(
        id=identifier,
        group="default",
        deployment=deployment,
        label=label,
        build=identifier,
        endpoints=(endpoint,),
        python="3.11",
        platform="linux/amd64",
        created_at=now(),
        created_by="ada",
    )


@dataclass(kw_only=True)
class Platform:
    """The rest of the platform, moved by hand."""

    log: EventLog
    releases: int = 0
    desired: Desired | None = None

    async def tell(self, message: AnyMessage, **envelope: Any) -> int:
        made = Envelope(
            **{
                "id": new_id(),
                "type": message.type,
                "source": "/slipway/test",
                "subject": "default/digits",
                "time": now(),
                **envelope,
            }
        )
        outgoing = Outgoing(subject=subjects.of(message), message=message, envelope=made)
        return (await self.log.publish(outgoing)).sequence

    async def announce(self, target: str = "local", engine: str = "supervisor") -> None:
        await self.tell(
            TargetAnnounced.model_validate(
                {"target": target, "engine": engine, "epoch": 1, "cpu": 64, "memory_bytes": 1 << 37}
            )
        )

    async def publish_version(self, label: str = "20260101.1", **overrides: Any) -> Version:
        version = make_version(label, **overrides)
        owner = {"group": version.group, "deployment": version.deployment}
        begun = BuildStarted(
            **owner,
            build=version.id,
            source=SOURCE_DIGEST,
            by="ada",
            deadline_at=now() + timedelta(minutes=5),
        )
        await self.tell(begun)
        await self.tell(BuildSucceeded(**owner, build=version.id, version=version, seconds=1.0))
        return version

    async def bring_live(
        self, operation: str, config: ReleaseConfig | None = None, deployment: str = "digits"
    ) -> int:
        """Do what the deployer does for an accepted deploy, and return the sequence of its end."""
        self.releases += 1
        number, config = self.releases, config or ReleaseConfig()
        version = make_version(deployment=deployment)
        owner: dict[str, Any] = {"group": "default", "deployment": deployment}
        workload = Workload.of(
            **owner,
            endpoint=version.endpoints[0],
            config=config,
            replicas=config.replicas,
        )
        await self.tell(
            ReleaseCreated(
                **owner,
                release=number,
                operation=operation,
                cause="deploy",
                version=version,
                config=config,
                by="ada",
            )
        )
        await self.tell(
            ReleaseStarting(
                **owner,
                release=number,
                version=version,
                workloads={"predict": workload.id},
                deadline_at=now() + timedelta(minutes=5),
            )
        )
        await self.tell(ReleaseReady(**owner, release=number))
        release = DesiredRelease(
            number=number,
            operation=operation,
            state=ReleaseState.LIVE,
            version=version,
            config=config,
            created_at=now(),
            created_by="ada",
            workloads={"predict": workload.id},
        )
        wanted = DesiredWorkload(workload=workload, serving=config.replicas, crashes=(0,) * config.replicas)
        self.desired = Desired(
            **owner,
            position=await self.log.end(),
            next_release=number + 1,
            releases=(release,),
            workloads=(wanted,),
            traffic=(TrafficShare(release=number, weight=100),),
        )
        await self.tell(self.desired)
        await self.tell(ReleaseLive(**owner, release=number, seconds=1.0))
        return await self.tell(OperationSucceeded(**owner, operation=operation))


@dataclass(kw_only=True)
class Api:
    """A running api and its admin's client."""

    url: str
    key: str
    http: httpx.AsyncClient
    service: Service[ApiSettings]
    platform: Platform
    projector: "ProjectorTask"
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    def client(self, key: str | None) -> httpx.AsyncClient:
        """Return a client with another key; it is closed with the api."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self.clients.append(httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20))
        return self.clients[-1]

    async def key_for(self, user: str, **grants: str) -> str:
        """Make a key with these roles by group."""
        body = {"user": user, "grants": [{"group": group, "role": role} for group, role in grants.items()]}
        answer = await self.http.post("/v1/keys", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["secret"])

    async def upload(self, content: bytes = SOURCE) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        answer = await self.http.put(f"/v1/groups/default/artifacts/{digest}", content=content)
        assert answer.status_code in {200, 201}, answer.text
        return digest

    async def create(self, deployment: str = "digits", **body: Any) -> httpx.Response:
        headers = body.pop("headers", {})
        body = {"id": deployment, "version": "20260101.1", **body}
        return await self.http.post("/v1/groups/default/deployments", json=body, headers=headers)

    async def last_command(self) -> Any:
        """Return the newest command to the deployer about `digits`."""
        stored = await self.platform.log.last("slipway.default.digits.cmd.deployer.>")
        assert stored is not None
        return stored.message

    async def dump(self) -> str:
        """Return all that Postgres holds, to look for what must not be there."""
        connection = await asyncpg.connect(self.service.settings.database_url.get_secret_value())
        try:
            tables = await connection.fetch(
                "select table_schema, table_name from information_schema.tables "
                "where table_schema like 'slipway%'"
            )
            rows = [await connection.fetch(f'select * from {schema}."{name}"') for schema, name in tables]  # noqa: S608
            return repr(rows)
        finally:
            await connection.close()

    async def commands(self, deployment: str = "digits") -> list[str]:
        """Return the types of all commands of a deployment."""
        filter_ = f"slipway.default.{deployment}.cmd.>"
        return [stored.envelope.type async for stored in self.platform.log.read(filter_, after=0)]


@dataclass(kw_only=True)
class ProjectorTask:
    """The projector, to be stopped and started by a test."""

    log: EventLog
    database_url: str
    _task: asyncio.Task[None] | None = field(default=None)

    def start(self) -> None:
        projector = Projector(
            log=self.log,
            database=Database(url=self.database_url),
            meters=Meters(CollectorRegistry()),
            telemetry=Telemetry(),
        )
        self._task = asyncio.create_task(projector.run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None


async def configure(log: EventLog, message: KeyConfigured | GroupConfigured) -> None:
    await log.publish(outgoing(message, identifier=new_id()))


def grant(key: str, user: str, **roles: str) -> KeyConfigured:
    grants = tuple(RoleGrant.model_validate({"group": group, "role": role}) for group, role in roles.items())
    return KeyConfigured(
        key=key_id(api_key_digest(key)), digest=api_key_digest(key), user=user, grants=grants
    )


@asynccontextmanager
async def running_api(
    *,
    connection: Connection,
    database_url: str,
    folder: Path,
    telemetry: Telemetry | None = None,
    **settings: Any,
) -> AsyncGenerator[Api]:
    log = EventLog(connection=connection)
    key, port = new_key(), free_port()
    await bootstrap(log, api_key_digest(key))
    metrics = Metrics(service="api")
    service = Service(
        name="api",
        settings=ApiSettings(
            port=port,
            database_url=database_url,
            blob_root=folder / "blobs",
            gateway_url="http://gateway.test:8000",
            **settings,
        ),
        connection=connection,
        log=log,
        telemetry=telemetry or Telemetry(),
        metrics=metrics,
        probes=Probes(metrics=metrics),
        stopping=asyncio.Event(),
    )
    platform = Platform(log=log)
    # Before the api starts, so that it is past for whoever subscribes at its present.
    await platform.announce()
    projector = ProjectorTask(log=log, database_url=database_url)
    projector.start()
    serving = asyncio.create_task(serve(service))
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as http:
        await eventually(lambda: _answers(http))
        api = Api(url=url, key=key, http=http, service=service, platform=platform, projector=projector)
        try:
            yield api
        finally:
            for client in api.clients:
                await client.aclose()
            service.stopping.set()
            await serving
            await projector.stop()


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/v1/me")).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
async def api(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    database_url = await make_database()
    async with running_api(connection=connection, database_url=database_url, folder=tmp_path) as running:
        yield running


def problem(answer: httpx.Response, status: int, reason: str) -> Mapping[str, Any]:
    """Check that an answer is this problem, complete, and return it."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["reason"]) == (status, reason), document
    assert document["status"] == status
    assert document["domain"] == "slipway"
    assert document["type"].endswith(reason)
    assert document["hint"]
    assert document["detail"]
    assert document["request_id"] == answer.headers["x-request-id"]
    return document
