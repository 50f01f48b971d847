"""Admission when a process dies in the middle of it, and while Postgres is away: nothing leaks or is lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from api_world import SOURCE_DIGEST, Api, problem, running_api
from eventually import eventually
from servers import PostgresServer
from slipway_api.installation.directory import Directory
from slipway_api.submitting.admission import Admission
from slipway_api.submitting.reservations import SCHEMA, Reservations
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_contracts.commands import Deploy
from slipway_contracts.envelope import new_id
from slipway_contracts.traffic import ReleaseRequest
from slipway_store.connections import open_pool
from slipway_store.migrate import upgrade

GROUP = "/v1/groups/default"
DEPLOYMENTS = f"{GROUP}/deployments"


@pytest.fixture
async def api(
    connection: Connection, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[Api]:
    """An api that sweeps all the time."""
    async with running_api(
        connection=connection,
        database_url=await make_database(),
        folder=tmp_path,
        log_timeout="PT1S",
        sweep_interval="PT0.1S",
        reservation_patience="PT0S",
    ) as running:
        await running.upload()
        yield running


async def limit(api: Api, **quota: float) -> None:
    answer = await api.http.put(GROUP, json={"quota": quota})
    assert answer.status_code == 200, answer.text


async def create(api: Api, deployment: str) -> httpx.Response:
    return await api.http.post(DEPLOYMENTS, json={"id": deployment, "source": SOURCE_DIGEST})


async def sql(api: Api, statement: str) -> Any:
    connection = await asyncpg.connect(api.service.settings.database_url.get_secret_value())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def another_process(api: Api) -> AsyncIterator[Admission]:
    """What another api process has of the admission."""
    log = EventLog(connection=api.service.connection)
    directory = Directory(log=log)
    following = asyncio.create_task(directory.run())
    await directory.caught_up.wait()
    pool = await open_pool(api.service.settings.database_url.get_secret_value(), schema=SCHEMA, most=1)
    yield Admission(
        log=log,
        directory=directory,
        reservations=Reservations(pool=pool),
        patience=api.service.settings.projection_timeout,
    )
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following
    await pool.close()


def make_command(deployment: str = "digits") -> Deploy:
    return Deploy(
        group="default",
        deployment=deployment,
        by="ada",
        request_digest=f"sha256:{2:064x}",
        request=ReleaseRequest(build=new_id()),
    )


async def test_reservations_are_forgotten_once_the_projection_knows_their_commands(api: Api) -> None:
    await create(api, "digits")

    async def forgotten() -> bool:
        return bool(await sql(api, "select count(*) from slipway_api.reservation") == 0)

    await eventually(forgotten)
    assert (await api.http.get(GROUP)).json()["use"]["deployments"] == 1


async def test_what_a_process_reserved_that_died_before_it_published_is_given_back(api: Api) -> None:
    await limit(api, deployments=1)

    async with another_process(api) as process:
        await process.admit(make_command(), identifier=new_id(), behind=0)
    at_once = await create(api, "other")

    problem(at_once, 403, "QuotaExceeded")

    async def given_back() -> bool:
        return (await create(api, "other")).status_code == 202

    await eventually(given_back)


async def test_what_a_process_published_that_died_before_it_confirmed_stays_counted(api: Api) -> None:
    await limit(api, deployments=1)
    await api.projector.stop()
    identifier, command = new_id(), make_command()

    async with another_process(api) as process:
        await process.admit(command, identifier=identifier, behind=0)
    await api.platform.tell(command, id=identifier)

    async def confirmed() -> bool:
        return bool(await sql(api, "select count(sequence) from slipway_api.reservation") == 1)

    await eventually(confirmed)
    problem(await create(api, "other"), 403, "QuotaExceeded")
    api.projector.start()

    async def forgotten() -> bool:
        return bool(await sql(api, "select count(*) from slipway_api.reservation") == 0)

    await eventually(forgotten)
    problem(await create(api, "other"), 403, "QuotaExceeded")


async def test_a_refused_command_gives_back_at_once_what_was_reserved_for_it(api: Api) -> None:
    await limit(api, deployments=2)

    answers = await asyncio.gather(*(create(api, "digits") for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert (await create(api, "other")).status_code == 202


@pytest.fixture
async def without_postgres(
    connection: Connection, own_postgres: PostgresServer, tmp_path: Path
) -> AsyncIterator[Api]:
    """An api whose Postgres may be killed."""
    await upgrade(own_postgres.url())
    async with running_api(
        connection=connection, database_url=own_postgres.url(), folder=tmp_path
    ) as running:
        await running.upload()
        yield running


async def test_without_postgres_a_group_with_limits_admits_nothing_and_says_what_to_do(
    without_postgres: Api, own_postgres: PostgresServer
) -> None:
    await limit(without_postgres, deployments=2)
    assert (await create(without_postgres, "digits")).status_code == 202
    own_postgres.kill9()

    refused = await create(without_postgres, "other")
    stopped = await without_postgres.http.post(f"{DEPLOYMENTS}/digits/stop")
    shown = await without_postgres.http.get(GROUP)
    await asyncio.to_thread(own_postgres.start)

    document = problem(refused, 503, "AdmissionUnavailable")
    assert document["outcome"] == "nothing"
    assert "Postgres" in document["hint"]
    assert stopped.status_code == 202, stopped.text
    assert (shown.status_code, shown.json()["use"]) == (200, None)

    async def admitted() -> bool:
        return (await create(without_postgres, "other")).status_code == 202

    await eventually(admitted)


async def test_without_postgres_a_group_without_limits_goes_on(
    without_postgres: Api, own_postgres: PostgresServer
) -> None:
    own_postgres.kill9()

    answer = await create(without_postgres, "digits")
    targets = await without_postgres.http.get("/v1/targets")
    await asyncio.to_thread(own_postgres.start)

    assert answer.status_code == 202, answer.text
    assert targets.json()["items"][0]["used"] is None
