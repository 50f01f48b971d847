"""What the api says and does while NATS or Postgres is away, and that it goes on by itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from api_world import SOURCE_DIGEST, Api, problem, running_api
from event_subscriber import subscribed
from eventually import eventually
from servers import NatsServer, PostgresServer
from slipway_chassis.connection import Connection
from slipway_store.migrate import upgrade

GROUP = "/v1/groups/default/deployments"
DEPLOYMENT = f"{GROUP}/digits"
BUILD = {"source": SOURCE_DIGEST}
LOG_TIMEOUT_SECONDS = 1


@pytest.fixture
def own_postgres(own_postgres: PostgresServer) -> PostgresServer:
    """A Postgres of this test alone, with tables, to be killed."""
    asyncio.run(upgrade(own_postgres.url()))
    return own_postgres


@asynccontextmanager
async def prepared(connection: Connection, database_url: str, folder: Path) -> AsyncIterator[Api]:
    async with running_api(
        connection=connection,
        database_url=database_url,
        folder=folder,
        log_timeout=timedelta(seconds=LOG_TIMEOUT_SECONDS),
    ) as api:
        await api.upload()
        await api.platform.publish_version()
        yield api


@pytest.fixture
async def without_nats(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    """An api whose NATS may be killed."""
    async with prepared(connection, await make_database(), tmp_path) as api:
        yield api


@pytest.fixture
async def without_postgres(
    connection: Connection, own_postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[Api]:
    """An api whose Postgres may be killed."""
    async with prepared(connection, own_postgres.url(), tmp_path) as api:
        yield api


async def test_without_nats_a_mutation_says_that_its_outcome_is_unknown_and_how_to_go_on(
    without_nats: Api, fresh_nats: NatsServer
) -> None:
    key = {"Idempotency-Key": "b"}
    fresh_nats.kill9()

    began = time.monotonic()
    answer = await without_nats.http.post(f"{DEPLOYMENT}/builds", json=BUILD, headers=key)
    took = time.monotonic() - began
    await asyncio.to_thread(fresh_nats.start)
    again = await without_nats.http.post(f"{DEPLOYMENT}/builds", json=BUILD, headers=key)

    document = problem(answer, 503, "LogUnavailable")
    assert document["outcome"] == "unknown"
    assert "same Idempotency-Key" in document["hint"]
    assert answer.headers["retry-after"] == "2"
    assert took < 10
    assert again.status_code == 202
    assert again.json()["operation"]["id"] == document["operation"]


async def test_without_nats_reads_go_on(without_nats: Api, fresh_nats: NatsServer) -> None:
    created = (await without_nats.create()).json()
    await without_nats.http.get(DEPLOYMENT, params={"at_least": created["sequence"]})
    fresh_nats.kill9()

    shown = await without_nats.http.get(DEPLOYMENT)
    stopped = await without_nats.http.post(f"{DEPLOYMENT}/stop")
    await asyncio.to_thread(fresh_nats.start)

    assert shown.status_code == 200
    assert problem(stopped, 503, "LogUnavailable")["outcome"] == "nothing"


async def test_without_nats_reads_by_name_go_on_as_soon_as_those_by_id(
    without_nats: Api, fresh_nats: NatsServer
) -> None:
    created = (await without_nats.create(settings={"name": "numbers"})).json()
    by_name = f"{GROUP}/numbers"
    await without_nats.http.get(by_name, params={"at_least": created["sequence"]})
    await asyncio.to_thread(fresh_nats.kill9)

    began = time.monotonic()
    shown = [await without_nats.http.get(path) for path in (by_name, f"{by_name}/releases", DEPLOYMENT)]
    unknown = await without_nats.http.get(f"{GROUP}/figures")
    took = time.monotonic() - began
    stopped = await without_nats.http.post(f"{by_name}/stop")
    await asyncio.to_thread(fresh_nats.start)

    assert [answer.status_code for answer in shown] == [200] * 3
    assert shown[0].json()["id"] == "digits"
    problem(unknown, 404, "DeploymentNotFound")
    assert problem(stopped, 503, "LogUnavailable")["outcome"] == "nothing"
    assert took < 3 * LOG_TIMEOUT_SECONDS


async def test_without_postgres_reads_say_so_and_commands_that_name_everything_pass(
    without_postgres: Api, own_postgres: PostgresServer
) -> None:
    await without_postgres.create()
    own_postgres.kill9()

    for path in ("/v1/deployments", DEPLOYMENT, "/v1/operations", "/v1/events", f"{DEPLOYMENT}/logs"):
        answer = await without_postgres.http.get(path)
        problem(answer, 503, "ProjectionUnavailable")
        assert answer.headers["retry-after"] == "2"
    needs_resolving = await without_postgres.http.post(f"{DEPLOYMENT}/redeploy", json={})
    stopped = await without_postgres.http.post(f"{DEPLOYMENT}/stop", headers={"Idempotency-Key": "s"})
    stopped_again = await without_postgres.http.post(f"{DEPLOYMENT}/stop", headers={"Idempotency-Key": "s"})
    created = await without_postgres.create("other", version=None, source=SOURCE_DIGEST)
    built = await without_postgres.http.post(
        f"{DEPLOYMENT}/builds", json=BUILD, headers={"Idempotency-Key": "b", "Prefer": "wait=0"}
    )
    canceled = await without_postgres.http.post(f"{DEPLOYMENT}/builds/{built.json()['build']}/cancel")
    deleted = await without_postgres.http.delete(f"{GROUP}/other")
    operation = await without_postgres.http.get(built.headers["location"])
    me = await without_postgres.http.get("/v1/me")
    async with subscribed(without_postgres.http, query={"from": 0}) as subscriber:
        end = await without_postgres.platform.log.end()
        await eventually(lambda: end in subscriber.ids)
    await asyncio.to_thread(own_postgres.start)

    problem(needs_resolving, 503, "ProjectionUnavailable")
    accepted = [stopped, stopped_again, created, built, canceled, deleted]
    assert [answer.status_code for answer in accepted] == [202] * 6
    assert stopped.json()["operation"]["id"] == stopped_again.json()["operation"]["id"]
    assert me.status_code == 200
    assert operation.json()["state"] == "PENDING"
    await eventually(lambda: _listed(without_postgres))


async def _listed(api: Api) -> bool:
    answer = await api.http.get("/v1/operations")
    return answer.status_code == 200 and len(answer.json()["items"]) >= 5
