import asyncio
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from servers import PostgresServer, clean_environment
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.quota import Charge
from slipway_store import alembic_commands
from slipway_store.connections import connect
from slipway_store.listing import Sort
from slipway_store.migrate import revision, upgrade
from slipway_store.queries import open_reads
from slipway_store.schema import HEAD, SCHEMA
from slipway_store.tables import METADATA

TABLES = {*METADATA.tables, "alembic_version"}


@pytest.fixture
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """An empty database."""
    name = f"empty_{secrets.token_hex(6)}"
    admin = await asyncpg.connect(postgres_server.url())
    await admin.execute(f'create database "{name}"')
    yield postgres_server.url(name)
    await admin.execute(f'drop database "{name}" with (force)')
    await admin.close()


async def tables(url: str, schema: str = SCHEMA) -> set[str]:
    connection = await connect(url)
    try:
        found = await connection.fetch("select tablename from pg_tables where schemaname = $1", schema)
        return {row[0] for row in found}
    finally:
        await connection.close()


async def test_an_upgrade_makes_what_the_tables_say_and_a_repetition_nothing(url: str) -> None:
    first = await upgrade(url)
    second = await upgrade(url)

    assert (first, second) == (True, False)
    assert await tables(url) == TABLES
    await alembic_commands.check(url, SCHEMA)


async def test_up_down_and_up_again_leaves_the_same_tables(url: str) -> None:
    await upgrade(url)

    await alembic_commands.downgrade(url, SCHEMA, "base")
    after_down = await tables(url)
    await upgrade(url)

    assert after_down == {"alembic_version"}
    assert await tables(url) == TABLES
    await alembic_commands.check(url, SCHEMA)


async def test_rows_of_the_release_before_are_readable_until_they_are_made_anew(url: str) -> None:
    await alembic_commands.upgrade(url, SCHEMA, "0001")
    connection = await connect(url)
    for state in ("DEPLOYED", "DELETED"):
        await connection.execute(
            'insert into deployment ("group", id, state, wanted, ready, replicas, endpoints, last_command, '
            "created_at, created_by, changed_at, sequence, facts) values "
            "('default', lower($1), $1, 'running', 1, 1, '[]', 1, now(), 'ada', now(), 1, '{}')",
            state,
        )
    await connection.close()

    await upgrade(url)

    reads = await open_reads(url)
    listed = await reads.deployments(groups=None, sort=Sort.CHANGED, limit=9)
    detail = await reads.deployment("default", "deleted")
    await reads.close()
    assert [(row.id, row.name, row.charge) for row in listed] == [("deployed", "deployed", Charge())]
    assert detail is not None
    assert detail.settings == DeploymentSettings()


async def test_check_sees_a_table_that_no_migration_makes(url: str) -> None:
    await upgrade(url)
    connection = await connect(url)
    await connection.execute("alter table build drop column label")
    await connection.close()

    with pytest.raises(Exception, match="New upgrade operations detected"):
        await alembic_commands.check(url, SCHEMA)


async def test_three_racers_on_an_empty_database_all_end_well(url: str) -> None:
    outcomes = await asyncio.gather(*(alembic_commands.upgrade(url, SCHEMA) for _ in range(3)))

    assert outcomes == [None, None, None]
    assert await tables(url) == TABLES


async def test_another_schema_gets_tables_of_its_own(url: str) -> None:
    await upgrade(url)

    await upgrade(url, schema="beside")

    assert await tables(url, "beside") == TABLES
    await alembic_commands.check(url, "beside")
    connection = await connect(url, schema="beside")
    assert await revision(connection, schema="beside") == HEAD
    assert await revision(connection, schema="nowhere") is None
    await connection.close()


async def test_a_table_in_use_delays_no_upgrade_forever(url: str) -> None:
    def drop_build(config: Config) -> None:
        config.attributes["connection"].exec_driver_sql("drop table build")

    await upgrade(url)
    connection = await connect(url)

    async with connection.transaction():
        await connection.execute("lock table build in access share mode")
        with pytest.raises(Exception, match="lock timeout"):
            await alembic_commands.run(url, SCHEMA, drop_build, lock_timeout=timedelta(milliseconds=50))

    await connection.close()
    assert await tables(url) == TABLES


def test_the_known_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(alembic_commands.config()).get_current_head() == HEAD


async def command(url: str | None) -> tuple[int, str, str]:
    """Run the migrations as an operator does; return exit code, output and error output."""
    variables = {"SLIPWAY_DATABASE_URL": url} if url else {}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "slipway_store.migrate",
        env=clean_environment(**variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return process.returncode or 0, out.decode(), error.decode()


async def test_the_command_says_what_it_did(url: str) -> None:
    first = await command(url)
    second = await command(url)

    assert first == (0, f"the tables were brought to {HEAD}\n", "")
    assert second == (0, f"the tables stand at {HEAD}\n", "")


async def test_the_command_names_what_keeps_it_and_shows_no_password(url: str) -> None:
    unset = await command(None)
    refused = await command(url.replace("app:", "app:wrong"))
    strange = await command("mysql://app:wrong@127.0.0.1/db")

    assert unset[0] == 2
    assert "SLIPWAY_DATABASE_URL is not set" in unset[2]
    assert [refused[0], strange[0]] == [1, 1]
    assert "password authentication failed" in refused[2]
    assert "wrong" not in refused[2] + strange[2]


@asynccontextmanager
async def refusing(port: int) -> AsyncIterator[asyncio.Event]:
    """Hang up on whoever connects, as a Postgres that starts; the event says that somebody did twice."""
    knocks, knocked_twice = [0], asyncio.Event()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks[0] += 1
        if knocks[0] > 1:
            knocked_twice.set()
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", port):
        yield knocked_twice


async def test_the_command_waits_for_a_postgres_that_starts(own_postgres: PostgresServer) -> None:
    await asyncio.to_thread(own_postgres.stop)

    async with refusing(own_postgres.port) as knocked:
        running = asyncio.create_task(command(own_postgres.url()))
        await knocked.wait()
        waited = not running.done()
    await asyncio.to_thread(own_postgres.start)

    assert waited
    assert (await running)[0] == 0
