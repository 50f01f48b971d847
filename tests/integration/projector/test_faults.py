import asyncio

import pytest
from eventually import eventually
from log_script import Script
from log_walk import Walk
from memory_projection import as_logged, project, read_log
from projector_stand import Running, Stand
from servers import NatsServer, PostgresServer
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.provision import provision
from slipway_projector.errors import CheckpointMovedError
from slipway_projector.ledger import Ledger
from slipway_projector.rebuilds.rebuilding import rebuilt
from slipway_store.alembic_commands import downgrade
from slipway_store.connections import connect
from slipway_store.migrate import upgrade
from slipway_store.schema import HEAD, SCHEMA


async def says(running: Running, *parts: str) -> None:
    """Wait until the projector says what keeps it."""

    async def said() -> bool:
        problem = await running.projector.problem()
        return problem is not None and all(part in problem for part in parts)

    await eventually(said)


async def is_ready(running: Running) -> None:
    async def ready() -> bool:
        return await running.projector.problem() is None

    await eventually(ready, timeout=20)


async def keep_writing(walk: Walk, log: EventLog, stop: asyncio.Event) -> int:
    """Write steps of a walk until told to stop; return the last sequence."""
    end = 0
    while not stop.is_set():
        walk.run(20)
        end = max(end, await walk.write(log))
        await asyncio.sleep(0.01)
    return end


async def test_killed_postgres_loses_and_repeats_nothing(log: EventLog, own_postgres: PostgresServer) -> None:
    await upgrade(own_postgres.url())
    stand = Stand(log, own_postgres.url())
    running = await stand.start(batch_messages=20)
    walk, stop = Walk(21), asyncio.Event()
    writing = asyncio.create_task(keep_writing(walk, log, stop))

    for _ in range(3):
        position = await stand.position()
        await stand.reached(position + 50)
        await asyncio.to_thread(own_postgres.kill9)
        await says(running, "Postgres")
        await asyncio.to_thread(own_postgres.start)
        await is_ready(running)
    stop.set()
    end = await writing
    await stand.reached(end)

    assert await stand.tables() == project(await read_log(log))
    assert [row[0] for row in await stand.fetch("select sequence from event order by 1")] == [
        *range(1, end + 1)
    ]
    await stand.stop()


async def test_killed_nats_loses_and_repeats_nothing(stand: Stand, fresh_nats: NatsServer) -> None:
    walk = Walk(22)
    running = await stand.start()

    for _ in range(3):
        walk.run(100)
        await walk.write(stand.log)
        await asyncio.to_thread(fresh_nats.restart)
        walk.run(100)
        end = await walk.write(stand.log)
    await stand.reached(end)

    assert await stand.tables() == project(await read_log(stand.log))
    assert (await stand.fetch("select count(*) from event"))[0][0] == end
    await is_ready(running)


async def test_a_projector_that_starts_before_postgres_waits_for_it(
    log: EventLog, own_postgres: PostgresServer
) -> None:
    await upgrade(own_postgres.url())
    await asyncio.to_thread(own_postgres.stop)
    stand = Stand(log, own_postgres.url())
    script = Script()
    script.deployed()
    end = await script.write(log)

    running = await stand.start()
    await says(running, "Postgres")
    await asyncio.to_thread(own_postgres.start)

    await stand.reached(end)
    assert await stand.state() == "DEPLOYED"
    await stand.stop()


async def test_a_database_without_tables_is_named_and_waited_for(stand: Stand) -> None:
    await downgrade(stand.url, SCHEMA, "base")
    running = await stand.start()

    await says(running, "python -m slipway_store.migrate", "None", HEAD)
    await upgrade(stand.url)

    await is_ready(running)


@pytest.mark.parametrize(
    "moment", ["insert into event", "update checkpoint", "insert into deployment", "commit"]
)
async def test_a_failure_in_the_middle_of_a_batch_leaves_nothing_of_it(stand: Stand, moment: str) -> None:
    script = Script()
    script.deployed()
    running = await stand.start()
    await is_ready(running)
    connection = await connect(stand.url)
    table = "operation" if moment == "commit" else moment.rsplit(maxsplit=1)[-1]
    late = ("constraint", "after", "deferrable initially deferred")
    kind, timing, deferred = late if moment == "commit" else ("", "before", "")
    await connection.execute(
        "create function fail() returns trigger language plpgsql as "
        "$$ begin raise exception 'disk full' using errcode = '53100'; end $$"
    )
    await connection.execute(
        f"create {kind} trigger fail {timing} insert or update on {table} {deferred} "
        "for each row execute function fail()"
    )

    end = await script.write(stand.log)
    await says(running, "disk full")
    left = await stand.fetch("select (select count(*) from event), (select count(*) from operation)")
    position = await stand.position()
    await connection.execute(f"drop trigger fail on {table}")
    await connection.close()

    await stand.reached(end)
    assert (tuple(left[0]), position) == ((0, 0), 0)
    assert await stand.tables() == project(await read_log(stand.log))


async def test_of_two_projectors_one_writes_and_the_other_takes_over(stand: Stand) -> None:
    walk = Walk(23)
    first = await stand.start()
    await eventually(lambda: first.count("active") == 1)
    second = await stand.start()
    walk.run(200)
    await stand.reached(await walk.write(stand.log))
    standing_by = second.count("active"), await second.projector.problem()

    await first.stop()
    walk.run(200)
    end = await walk.write(stand.log)
    await stand.reached(end)

    assert standing_by == (0, None), "a standby is ready: there is nothing it should be sent home for"
    assert second.count("active") == 1
    assert await stand.tables() == project(await read_log(stand.log))


async def test_of_two_writers_of_one_position_exactly_one_writes(stand: Stand) -> None:
    script = Script()
    script.deployed()
    messages = as_logged(script.messages)
    connections = [await connect(stand.url) for _ in range(4)]
    ledgers = [await Ledger.open(connection) for connection in connections]

    outcomes = await asyncio.gather(*(ledger.write(messages) for ledger in ledgers), return_exceptions=True)

    lost = [outcome for outcome in outcomes if isinstance(outcome, CheckpointMovedError)]
    assert len(lost) == 3
    assert await stand.tables() == project(messages)
    for connection in connections:
        await connection.close()


async def test_a_row_that_somebody_else_wrote_stops_it_until_the_tables_are_made_anew(stand: Stand) -> None:
    script = Script()
    script.deployed()
    running = await stand.start()
    await stand.reached(await script.write(stand.log))
    await running.stop()
    await stand.fetch("update deployment set facts = '{}'")

    running = await stand.start()
    script.deploy(2)
    await script.write(stand.log)
    await says(running, "table deployment", "slipway projections rebuild")
    async with rebuilt(stand.log, stand.url, schema="slipway_rebuilt") as rebuild:
        await rebuild.swap()

    await is_ready(running)
    assert await stand.tables() == project(await read_log(stand.log))


@pytest.mark.parametrize("moment", ["while it runs", "before it starts"])
@pytest.mark.parametrize("length", [0, 3, 40])
async def test_another_log_stops_it_until_the_tables_are_made_anew(
    stand: Stand, connection: Connection, moment: str, length: int
) -> None:
    script = Script()
    script.deployed()
    running = await stand.start()
    await stand.reached(await script.write(stand.log))
    before = await stand.tables()
    if moment == "before it starts":
        await running.stop()

    await connection.nc.jetstream().delete_stream("SLIPWAY")
    await provision(connection)
    other = Script("other")
    for _ in range(length):
        other.deploy()
    await other.write(stand.log)
    if moment == "before it starts":
        running = await stand.start()
    expected = "message" if length >= len(script.messages) else f"ends at {length}"
    await says(running, "stopped", expected, str(len(script.messages)), "slipway projections rebuild")
    unchanged = await stand.tables()
    async with rebuilt(stand.log, stand.url, schema="slipway_rebuilt") as rebuild:
        await rebuild.swap()
    await is_ready(running)

    assert unchanged == before
    assert await stand.tables() == project(await read_log(stand.log))
