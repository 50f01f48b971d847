import asyncio
import re
import sys

import pytest
from eventually import eventually
from log_script import START, Script
from log_walk import Walk
from memory_projection import project, read_log
from projector_stand import Stand
from servers import NatsServer, clean_environment
from slipway_contracts.installation_events import TargetLost
from slipway_contracts.replica import ReplicaState
from slipway_projector.rebuilds.comparison import compare, count
from slipway_projector.rebuilds.part import AT_WORK
from slipway_projector.rebuilds.rebuilding import RebuildError, rebuilt
from slipway_store.connections import connect
from slipway_store.schema import SCHEMA

BESIDE = "beside"


async def schemas(stand: Stand) -> set[str]:
    rows = await stand.fetch("select nspname from pg_namespace where nspname !~ '^(pg_|information)'")
    return {row[0] for row in rows} - {"public"}


async def command(stand: Stand, nats: NatsServer, *arguments: str) -> tuple[int, str, str]:
    """Run the command as an operator does; return exit code, output and error output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "slipway_projector.rebuild_command",
        *arguments,
        env=clean_environment(SLIPWAY_NATS_URL=nats.url, SLIPWAY_DATABASE_URL=stand.url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return process.returncode or 0, out.decode(), error.decode()


@pytest.mark.parametrize("seed", [31, 32])
async def test_tables_made_anew_are_the_same_row_by_row(stand: Stand, seed: int) -> None:
    walk = Walk(seed)
    await stand.start(batch_messages=13)
    for _ in range(5):
        walk.run(100)
        end = await walk.write(stand.log)
    await stand.reached(end)

    async with rebuilt(stand.log, stand.url, schema=BESIDE) as rebuild:
        differences = await rebuild.differences()
        counts = await rebuild.counts()

    connection = await connect(stand.url)
    assert differences == []
    assert counts == await count(connection, SCHEMA)
    assert counts["event"] == end
    assert counts["checkpoint"] == 1
    assert await compare(connection, SCHEMA, BESIDE) == []
    await connection.close()


async def test_a_changed_a_missing_and_an_invented_row_are_found(stand: Stand) -> None:
    script = Script()
    script.built()
    script.deployed()
    running = await stand.start()
    await stand.reached(await script.write(stand.log))
    await running.stop()
    await stand.fetch("update deployment set state = 'FAILED', facts = facts || '{\"asked\": \"stopped\"}'")
    await stand.fetch("delete from version")
    await stand.fetch("update release set number = 2")
    await stand.fetch("update event set body = '1' where sequence = 2")

    async with rebuilt(stand.log, stand.url, schema=BESIDE) as rebuild:
        differences = {difference.table: difference for difference in await rebuild.differences()}

    assert differences.keys() == {"deployment", "version", "release", "event"}
    assert (differences["version"].only_first, differences["version"].only_second) == (0, 1)
    assert differences["release"].examples == (("default", "digits", 2), ("default", "digits", 1))
    assert str(differences["event"]) == "event: 1 against 1 rows differ, as 2"


async def test_the_projector_goes_on_while_tables_are_compared(stand: Stand) -> None:
    script = Script()
    script.deployed()
    await stand.start()
    await stand.reached(await script.write(stand.log))
    reader = await connect(stand.url)

    async with rebuilt(stand.log, stand.url, schema=BESIDE) as rebuild, reader.transaction():
        await reader.execute(f"lock table {BESIDE}.api_key in access exclusive mode")
        comparing = asyncio.create_task(rebuild.differences())

        async def compares() -> bool:
            waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'api_key'"
            return bool(await stand.fetch(waiting))

        await eventually(compares)
        script.deployed(2)
        await stand.reached(await script.write(stand.log))
        assert not comparing.done()
        await reader.execute("rollback")
        differences = await comparing

    await reader.close()
    assert differences == []


async def test_a_swap_under_way_loses_nothing_and_nobody_sees_less(stand: Stand) -> None:
    walk = Walk(33)
    await stand.start(batch_messages=10)
    walk.run(200)
    await stand.reached(await walk.write(stand.log))
    stop, seen = asyncio.Event(), [0]

    async def watch() -> None:
        connection = await connect(stand.url)
        while not stop.is_set():
            seen.append(await connection.fetchval("select sequence from checkpoint"))
            await asyncio.sleep(0)
        await connection.close()

    async def write() -> int:
        end = 0
        while not stop.is_set():
            walk.run(20)
            end = max(end, await walk.write(stand.log))
        return end

    watching, writing = asyncio.create_task(watch()), asyncio.create_task(write())
    for _ in range(2):
        async with rebuilt(stand.log, stand.url, schema=BESIDE) as rebuild:
            await rebuild.swap()
    stop.set()
    await watching
    await stand.reached(await writing)

    assert seen == sorted(seen), "a reader never sees an older state than before"
    assert await stand.tables() == project(await read_log(stand.log))
    assert await schemas(stand) == {SCHEMA}


async def test_the_first_tables_may_come_from_a_swap(stand: Stand) -> None:
    await stand.fetch(f"drop schema {SCHEMA} cascade")
    script = Script()
    script.deployed()
    await script.write(stand.log)

    async with rebuilt(stand.log, stand.url, schema=BESIDE) as rebuild:
        await rebuild.swap()

    assert await stand.state() == "DEPLOYED"


@pytest.mark.parametrize(
    ("schema", "reason"),
    [(SCHEMA, "holds the tables in use"), ("public", "holds no tables of a projection")],
)
async def test_nothing_else_is_ever_emptied(stand: Stand, schema: str, reason: str) -> None:
    with pytest.raises(RebuildError, match=reason):
        async with rebuilt(stand.log, stand.url, schema=schema):
            pass

    assert schema in await schemas(stand) | {"public"}


async def test_two_rebuilds_into_one_schema_do_not_mix(stand: Stand) -> None:
    script = Script()
    script.deployed()
    await script.write(stand.log)

    async with rebuilt(stand.log, stand.url, schema=BESIDE) as first:
        with pytest.raises(RebuildError, match="another process rebuilds"):
            async with rebuilt(stand.log, stand.url, schema=BESIDE):
                pass
        untouched = await first.counts()
    async with rebuilt(stand.log, stand.url, schema=BESIDE) as later:
        anew = await later.counts()

    assert untouched["event"] == anew["event"] == len(script.messages)


async def test_rebuilt_tables_have_every_index_of_those_they_replace(stand: Stand) -> None:
    query = "select indexdef from pg_indexes where schemaname = $1 order by indexdef"
    before = await stand.fetch(query, SCHEMA)
    script = Script()
    script.deployed()
    await script.write(stand.log)

    async with rebuilt(stand.log, stand.url, schema=BESIDE) as rebuild:
        await rebuild.swap()

    assert [row[0] for row in await stand.fetch(query, SCHEMA)] == [row[0] for row in before]


async def test_only_one_rebuild_runs_at_a_time_whatever_its_schema(stand: Stand) -> None:
    async with rebuilt(stand.log, stand.url, schema=BESIDE):
        with pytest.raises(RebuildError, match="another process rebuilds"):
            async with rebuilt(stand.log, stand.url, schema="elsewhere"):
                pass

    assert "elsewhere" not in await schemas(stand)


def rows(printed: str, table: str) -> int:
    """Return how many rows the command says that a table has."""
    (found,) = re.findall(rf"^ +{table} +([0-9]+)$", printed, re.MULTILINE)
    return int(found)


async def test_the_command_rebuilds_verifies_and_swaps(stand: Stand, fresh_nats: NatsServer) -> None:
    script = Script()
    script.deployed()
    await stand.start()
    await stand.reached(await script.write(stand.log))

    verified = await command(stand, fresh_nats, "--verify")
    after_verify = await schemas(stand)
    await stand.fetch("update release set state = 'FAILED'")
    differs = await command(stand, fresh_nats, "--verify")
    made = await command(stand, fresh_nats, "--schema", BESIDE)
    swapped = await command(stand, fresh_nats, "--swap")

    assert verified[0] == 0, verified
    assert verified[1].startswith("the tables in use are what the log says\n")
    assert verified[2] == ""
    assert after_verify == {SCHEMA}
    assert differs[0] == 1
    assert "release: 1 against 1 rows differ, as default/digits/1" in differs[1]
    assert made[0] == 0
    assert rows(made[1], "event") == len(script.messages)
    assert "rebuilt tables are in use" in swapped[1]
    assert await stand.tables() == project(await read_log(stand.log))
    assert await schemas(stand) == {SCHEMA, BESIDE}


@pytest.mark.parametrize("seed", [34, 35])
async def test_several_processes_make_the_same_tables_as_one(
    stand: Stand, fresh_nats: NatsServer, seed: int
) -> None:
    walk = Walk(seed)
    await stand.start()
    walk.run(400)
    walk.say(TargetLost(target="local", since=START))
    await stand.reached(await walk.write(stand.log))

    verified = await command(stand, fresh_nats, "--verify", "--parts", "3")

    assert verified[0] == 0, verified
    assert verified[2] == "", "no part failed"


async def test_a_message_that_a_part_cannot_store_is_set_aside_by_one_process(
    stand: Stand, fresh_nats: NatsServer
) -> None:
    script = Script()
    script.deployed()
    script.replica(ReplicaState.EXITED, 3, exit_code=1 << 70)
    await stand.start()
    await stand.reached(await script.write(stand.log))

    verified = await command(stand, fresh_nats, "--verify", "--parts", "2")

    assert verified[0] == 0, verified
    assert "folded as a whole" in verified[1] + verified[2]
    assert rows(verified[1], "event") == len(script.messages)


async def test_an_interrupted_rebuild_that_still_writes_keeps_another_from_beginning(stand: Stand) -> None:
    orphan = await connect(stand.url)
    await orphan.execute(AT_WORK)

    with pytest.raises(RebuildError, match="has not ended yet"):
        async with rebuilt(stand.log, stand.url, schema=BESIDE):
            pass

    await orphan.close()
    async with rebuilt(stand.log, stand.url, schema=BESIDE):
        pass


async def test_the_command_refuses_what_it_cannot_do_in_one_line(
    stand: Stand, fresh_nats: NatsServer
) -> None:
    code, _, error = await command(stand, fresh_nats, "--schema", SCHEMA)
    bad_name = await command(stand, fresh_nats, "--schema", 'x"; drop')

    assert code == 2
    assert error.strip().endswith("name another, and swap it in")
    assert bad_name[0] == 2
    assert "is no schema name" in bad_name[2]


async def test_the_projector_goes_on_after_a_swap(stand: Stand) -> None:
    script = Script()
    running = await stand.start()
    script.deployed()
    await stand.reached(await script.write(stand.log))

    async with rebuilt(stand.log, stand.url, schema=BESIDE) as rebuild:
        await rebuild.swap()
    script.deployed(2)
    await stand.reached(await script.write(stand.log))

    await eventually(lambda: running.count("active") == 1)
    assert await stand.tables() == project(await read_log(stand.log))
