"""The role that a standalone installation gives the api: its own schema to write, the projection to read."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from eventually import eventually
from servers import die_with_parent, free_port
from slipway_api.submitting.reservations import SCHEMA, Reservations
from slipway_standalone import accounts, wheels
from slipway_standalone.credentials import POSTGRES_API, POSTGRES_PROJECTOR, POSTGRES_ROLES, Credentials
from slipway_standalone.postgres import DATABASE, PostgresServer
from slipway_store.connections import open_pool
from slipway_store.migrate import upgrade

CREDENTIALS = Credentials(nats={}, postgres=dict.fromkeys(POSTGRES_ROLES, "x"))


@pytest.fixture
def port() -> Iterator[int]:
    """The port of a cluster that was made by a release that did not know of the api's own schema."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder, account = Path(name), accounts.for_postgres()
        folder.chmod(0o755)
        binaries = accounts.reachable(wheels.postgres(), account, shared=folder / "shared")
        server = PostgresServer(installation=binaries, folder=folder / "postgres", account=account)
        server.folder.mkdir(mode=0o755)
        server.prepare(CREDENTIALS)
        server._apply(server.data, (f"REVOKE CREATE ON DATABASE {DATABASE} FROM {POSTGRES_API}",))
        (server.folder / "roles.sha256").write_text("of an earlier release")
        server.prepare(CREDENTIALS)
        found = free_port()
        with subprocess.Popen(
            server.command(found),
            cwd=server.data,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent(),  # noqa: PLW1509
            **accounts.subprocess_arguments(account),
        ) as process:
            yield found
            process.terminate()


async def test_the_api_writes_its_own_schema_and_only_reads_the_projection(port: int) -> None:
    def url(role: str) -> str:
        return f"postgresql://{role}:x@127.0.0.1:{port}/{DATABASE}"

    async def migrated() -> bool:
        try:
            await upgrade(url(POSTGRES_PROJECTOR))
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    await eventually(migrated, timeout=60)
    pool = await open_pool(url(POSTGRES_API), schema=SCHEMA)

    held = await Reservations(pool=pool).of_groups(["default"])

    assert held == {}
    assert await pool.fetchval("select count(*) from slipway.deployment") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("delete from slipway.deployment")
    await pool.close()
