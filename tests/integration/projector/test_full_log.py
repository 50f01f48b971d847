"""A log that takes no message any more: the moment at which somebody truncates it."""

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from log_keeper import EndingWalk, Keeper
from log_messages import make_outgoing
from memory_projection import project
from nats.js.errors import APIError
from projector_stand import Stand
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogFullError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision
from slipway_chassis.truncation import whole_from
from slipway_contracts.topology import LOG, LOG_LINES

_WITHIN = 5.0
_LINE = b"x" * 100_000


async def filled(keeper: Keeper, steps: int = 150) -> EndingWalk:
    walk = EndingWalk(71)
    walk.run(steps)
    walk.end()
    await keeper.stand.start()
    await keeper.say(walk)
    return walk


async def limit(connection: Connection, **limits: object) -> None:
    """Let the log take no more than it has."""
    info = await call(connection, f"STREAM.INFO.{LOG.name}", within=_WITHIN)
    await call(connection, f"STREAM.UPDATE.{LOG.name}", info["config"] | limits, within=_WITHIN)


async def stream(connection: Connection, name: str = LOG.name) -> tuple[dict[str, int], dict[str, Any]]:
    info = await call(connection, f"STREAM.INFO.{name}", within=_WITHIN)
    return info["state"], info["config"]


async def is_full(log: EventLog) -> bool:
    try:
        await log.publish(make_outgoing())
    except LogFullError:
        return True
    return False


@pytest.mark.parametrize("kind", ["max_bytes", "max_msgs"])
async def test_a_log_at_its_limit_is_truncated_and_keeps_its_limit(keeper: Keeper, kind: str) -> None:
    walk = await filled(keeper)
    state, _ = await stream(keeper.connection)
    most = state["bytes" if kind == "max_bytes" else "messages"]
    await limit(keeper.connection, **{kind: most})
    before = await keeper.sequences()
    refused = await is_full(keeper.log)

    ran = await keeper.truncate(max(before))
    _, config = await stream(keeper.connection)
    walk.run(20)
    await keeper.say(walk)

    assert refused
    assert ran.code == 0, ran
    assert await whole_from(keeper.log) == max(before)
    assert config[kind] == most
    assert "slipway.limits" not in (config.get("metadata") or {})
    assert await keeper.differences() == []
    assert await keeper.stand.tables() == project(keeper.history)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(-1, 900_000, id="still lifted"),
        pytest.param(5_000_000, 5_000_000, id="set by an operator"),
    ],
)
async def test_a_limit_that_an_interruption_left_lifted_is_set_again(
    keeper: Keeper, since: int, expected: int
) -> None:
    await filled(keeper, 100)
    await limit(keeper.connection, max_bytes=since, metadata={"slipway.limits": '{"max_bytes": 900000}'})

    ran = await keeper.run("snapshot")
    _, config = await stream(keeper.connection)

    assert ran.code == 0, ran
    assert config["max_bytes"] == expected
    assert "slipway.limits" not in (config.get("metadata") or {})


async def test_a_snapshot_of_a_full_log_is_named_too(keeper: Keeper) -> None:
    await filled(keeper, 100)
    state, _ = await stream(keeper.connection)
    await limit(keeper.connection, max_bytes=state["bytes"])

    ran = await keeper.run("snapshot")

    assert ran.code == 0, ran
    assert f"at sequence {max(keeper.everything)}" in (await keeper.run("show")).out
    assert await is_full(keeper.log)


@pytest.fixture
async def small(tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A server that stores no more than a few megabytes, of all streams together."""
    server = NatsServer(tmp_path / "small", config="jetstream { max_file_store: 3000000 }\n")
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def squeezed(stand: Stand, small: NatsServer, tmp_path: Path) -> AsyncIterator[Keeper]:
    """The operator of a log on that server, with something in it."""
    connection = await Connection.open(url=small.url, user=None, password=None, name="test")
    await call(connection, f"STREAM.CREATE.{LOG_LINES.name}", _lines(), within=_WITHIN)
    await provision(connection)
    stand = Stand(EventLog(connection=connection), stand.url)
    keeper = Keeper(stand, small, connection, tmp_path / "blobs")
    await keeper.remember_ids_for(0.1)
    await keeper.forget_durables()
    await filled(keeper)
    yield keeper
    await stand.stop()
    await connection.close()


def _lines() -> dict[str, object]:
    return {"name": LOG_LINES.name, "subjects": [*LOG_LINES.subjects], "discard": "old", "storage": "file"}


async def test_a_server_without_room_gives_its_oldest_log_lines_for_a_truncation(squeezed: Keeper) -> None:
    nc = squeezed.connection.nc
    number = 0
    while not await is_full(squeezed.log):
        await nc.jetstream().publish(f"slipway.default.digits.log.build.{number}", _LINE)
        number += 1
    await squeezed.stand.reached(await squeezed.log.end())
    await squeezed.remember()
    lines, _ = await stream(squeezed.connection, LOG_LINES.name)
    end = max(squeezed.everything)

    taken = await squeezed.run("snapshot")
    untouched, _ = await stream(squeezed.connection, LOG_LINES.name)
    ran = await squeezed.truncate(end)
    left, _ = await stream(squeezed.connection, LOG_LINES.name)

    assert taken.code == 2
    assert "insufficient resources" in taken.error
    assert untouched == lines
    assert ran.code == 0, ran
    assert "oldest log lines" in ran.out
    assert 0 < left["messages"] < lines["messages"]
    assert left["last_seq"] == lines["last_seq"]
    assert await whole_from(squeezed.log) == end
    assert not await is_full(squeezed.log)
    assert await squeezed.differences() == []


async def test_a_server_without_room_or_log_lines_removes_nothing_and_says_what_helps(
    squeezed: Keeper,
) -> None:
    while not await is_full(squeezed.log):
        with suppress(APIError):
            await squeezed.connection.nc.jetstream().publish("slipway.team.digits.evt.big", _LINE)
    await squeezed.stand.reached(await squeezed.log.end())
    before = await squeezed.sequences()

    ran = await squeezed.truncate(max(before))

    assert ran.code == 2
    assert "max_file_store" in ran.error
    assert "nothing was removed" in ran.error
    assert await squeezed.sequences() == before
