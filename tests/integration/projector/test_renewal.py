"""Tables that an older release made: made anew by the projector itself, beside those that go on serving."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from eventually import eventually
from integration.projector.test_faults import is_ready, says
from integration.projector.test_process import Start, start
from log_script import Script
from memory_projection import project, read_log
from projector_stand import Stand
from servers import NatsServer, clean_environment
from slipway_chassis.connection import Connection
from slipway_chassis.provision import provision
from slipway_projector.database import REBUILT
from slipway_store.connections import connect
from slipway_store.migrate import upgrade
from slipway_store.schema import PROJECTION

__all__ = ["start"]


async def made_by(stand: Stand, fold: int) -> Script:
    """Tables of a log as another fold would have left them."""
    script = Script()
    script.deployed()
    running = await stand.start()
    await stand.reached(await script.write(stand.log))
    await running.stop()
    await stand.fetch("update deployment set state = 'FAILED'")
    await stand.fetch("update checkpoint set projection = $1", fold)
    return script


@asynccontextmanager
async def unexchangeable(stand: Stand) -> AsyncIterator[None]:
    """A reader that keeps the tables in use from being exchanged."""
    reader = await connect(stand.url)
    async with reader.transaction():
        await reader.execute("select count(*) from deployment")
        await reader.execute("lock table checkpoint in row exclusive mode")
        yield
    await reader.close()


async def test_tables_of_an_older_fold_are_made_anew_by_the_projector_itself(stand: Stand) -> None:
    script = await made_by(stand, PROJECTION - 1)
    script.deploy(2)
    await script.write(stand.log)

    running = await stand.start()
    await is_ready(running)
    script.deploy(3)
    await stand.reached(await script.write(stand.log))

    assert await stand.tables() == project(await read_log(stand.log))
    assert (await stand.fetch("select projection from checkpoint"))[0][0] == PROJECTION


async def test_the_old_tables_serve_and_readiness_counts_while_new_ones_are_made(stand: Stand) -> None:
    await made_by(stand, PROJECTION - 1)

    async with unexchangeable(stand):
        running = await stand.start()
        await says(running, f"fold {PROJECTION - 1}", f"of {await stand.log.end()} messages")
        assert await stand.state() == "FAILED"

    await is_ready(running)
    assert await stand.tables() == project(await read_log(stand.log))


async def test_killed_while_tables_are_made_anew_it_begins_again(stand: Stand, start: Start) -> None:
    await made_by(stand, PROJECTION - 1)

    async with unexchangeable(stand):

        async def is_made() -> bool:
            waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and query ~ $1"
            return bool(await stand.fetch(waiting, "^lock table"))

        process = await start()
        await eventually(is_made)
        await process.end(signal.SIGKILL)
        assert await stand.state() == "FAILED"

    async def is_renewed() -> bool:
        return bool(await stand.state() != "FAILED")

    again = await start()
    # Until Postgres has noticed the death of the first it stands by, and is ready for that.
    await eventually(is_renewed, timeout=20)
    await eventually(again.probes.ready, timeout=20)
    assert await stand.tables() == project(await read_log(stand.log))
    assert not await stand.fetch("select from pg_namespace where nspname = $1", REBUILT)


async def test_of_two_projectors_one_makes_the_tables_anew(stand: Stand) -> None:
    await made_by(stand, PROJECTION - 1)

    both = [await stand.start(), await stand.start()]

    await asyncio.gather(*map(is_ready, both))
    await stand.reached(await stand.log.end())
    assert await stand.tables() == project(await read_log(stand.log))
    assert sum(running.count("active") for running in both) == 1


async def test_an_older_release_leaves_the_tables_of_a_newer_one(stand: Stand) -> None:
    await made_by(stand, PROJECTION + 1)
    before = await stand.tables()

    running = await stand.start()

    await says(running, f"made by fold {PROJECTION + 1}", "newer release", "slipway projections rebuild")
    assert await stand.tables() == before


async def test_an_older_fold_of_another_log_is_not_replaced_by_this_one(
    stand: Stand, connection: Connection
) -> None:
    await made_by(stand, PROJECTION - 1)
    before = await stand.tables()
    await connection.nc.jetstream().delete_stream("SLIPWAY")
    await provision(connection)

    running = await stand.start()

    await says(running, "stopped", "ends at 0", "slipway projections rebuild")
    assert await stand.tables() == before


async def test_a_part_ends_with_who_started_it(stand: Stand, fresh_nats: NatsServer) -> None:
    await upgrade(stand.url, schema=REBUILT)
    arguments = ("--schema", REBUILT, "--number", "0", "--of", "2", "--until", "1")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "slipway_projector.rebuilds.part", *arguments),
        env=clean_environment(SLIPWAY_NATS_URL=fresh_nats.url, SLIPWAY_DATABASE_URL=stand.url),
        stdin=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None

    process.stdin.close()

    assert await asyncio.wait_for(process.wait(), 15) != 0
