import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from eventually import eventually
from log_script import Script
from log_walk import Walk
from memory_projection import project, read_log
from probe_port import ProbePort
from projector_stand import Stand
from servers import NatsServer, clean_environment, free_port
from slipway_chassis.telemetry import Telemetry
from slipway_store.connections import connect


class Process:
    """A projector as the platform starts it."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self.probes = ProbePort(port)

    async def active(self) -> bool:
        return "slipway_projector_active 1.0" in (await self.probes.get("/metrics"))[1]

    async def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 15)


Start = Callable[..., Any]


@pytest.fixture
async def start(stand: Stand, fresh_nats: NatsServer, tmp_path: Path) -> AsyncIterator[Start]:
    """Start projector processes; what still runs at the end is killed."""
    started: list[Process] = []

    async def start_one(**variables: str) -> Process:
        port = free_port()
        own = {
            "SLIPWAY_NATS_URL": fresh_nats.url,
            "SLIPWAY_DATABASE_URL": stand.url,
            "SLIPWAY_PROBE_PORT": str(port),
            "SLIPWAY_STANDBY_POLL": "PT0.1S",
        }
        environment = clean_environment(**own | variables)
        log = tmp_path / f"projector-{len(started)}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "slipway_projector.main", env=environment, stderr=errors
            )
        started.append(Process(process, port, log))
        return started[-1]

    yield start_one
    for each in started:
        if each.process.returncode is None:
            each.process.kill()
        await each.process.wait()


async def test_killed_at_any_moment_and_started_again_it_makes_the_same_rows(
    stand: Stand, start: Start
) -> None:
    walk, moments = Walk(41), random.Random(41)  # noqa: S311
    for _ in range(50):
        walk.run(20)
        end = await walk.write(stand.log)

    kills = 0
    while await stand.position() < end:
        process = await start(SLIPWAY_BATCH_MESSAGES="20")
        before = await stand.position()
        await stand.reached(before + 1)
        await asyncio.sleep(moments.uniform(0, 0.03))
        await process.end(signal.SIGKILL)
        kills += 1

    assert kills > 3
    assert await stand.tables() == project(await read_log(stand.log))
    assert (await stand.fetch("select count(*) from event"))[0][0] == end


async def test_a_standby_takes_over_from_a_killed_projector(stand: Stand, start: Start) -> None:
    first = await start()
    await eventually(first.active)
    second = await start()
    await eventually(second.probes.ready, timeout=20)
    script = Script()
    script.deployed()
    was_active = await second.active()

    await first.end(signal.SIGKILL)
    began = time.monotonic()
    end = await script.write(stand.log)
    await stand.reached(end)
    took = time.monotonic() - began

    assert not was_active
    assert await second.active()
    assert took < 15
    assert await stand.state() == "DEPLOYED"


async def test_sigterm_ends_it_cleanly_whatever_it_waits_for(stand: Stand, start: Start) -> None:
    active = await start()
    await eventually(active.active)
    standby = await start()
    await eventually(standby.probes.ready, timeout=20)
    without_postgres = await start(SLIPWAY_DATABASE_URL="postgresql://app@127.0.0.1:1/nothing")

    async def waits_for_postgres() -> bool:
        return "Postgres" in await without_postgres.probes.problem("projection")

    await eventually(waits_for_postgres, timeout=20)
    connection = await connect(stand.url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("lock table checkpoint in exclusive mode")
    script = Script()
    script.deployed()
    await script.write(stand.log)
    waiting = "select 1 from pg_locks where not granted and relation = 'checkpoint'::regclass"

    async def blocked() -> bool:
        return bool(await stand.fetch(waiting))

    await eventually(blocked)

    codes = [await each.end(signal.SIGTERM) for each in (active, standby, without_postgres)]

    await transaction.rollback()
    await connection.close()
    assert codes == [0, 0, 0]
    assert await stand.position() == 0, "the batch in hand left nothing behind"


async def test_readiness_says_what_is_missing(start: Start) -> None:
    process = await start(SLIPWAY_DATABASE_URL="postgresql://app:secret@127.0.0.1:1/nothing")

    async def said() -> str | None:
        problem = await process.probes.problem("projection")
        return problem if problem and problem.startswith("Postgres:") else None

    found = await eventually(said)

    assert found is not None
    assert "secret" not in found
    assert "secret" not in process.log.read_text()


async def test_a_missing_or_unknown_setting_ends_the_start_with_its_name(start: Start) -> None:
    unknown = await start(SLIPWAY_DATABSE_URL="x")
    code = await asyncio.wait_for(unknown.process.wait(), 20)

    assert code == 2
    assert "SLIPWAY_DATABSE_URL" in unknown.log.read_text()
    assert "SLIPWAY_DATABASE_URL" in unknown.log.read_text()


async def test_metrics_name_nouns_never_ids(stand: Stand, start: Start) -> None:
    script = Script()
    script.built()
    script.deployed()
    process = await start()
    await stand.reached(await script.write(stand.log))

    _, metrics = await process.probes.get("/metrics")

    lines = [line for line in metrics.splitlines() if line.startswith("slipway_projector_")]
    assert f"slipway_projector_checkpoint {len(script.messages):.1f}" in lines
    assert 'slipway_projector_messages_total{noun="release"} 4.0' in lines
    assert not any(script.messages[0].envelope.id in line or "digits" in line for line in lines)


async def test_what_it_projects_belongs_to_the_trace_of_its_message(
    stand: Stand, start: Start, tmp_path: Path
) -> None:
    traces = tmp_path / "traces.jsonl"
    process = await start(SLIPWAY_TRACES_FILE=str(traces))
    await eventually(process.probes.ready, timeout=20)
    script = Script()
    script.deploy()
    outgoing = script.messages[0]
    trace = "0af7651916cd43dd8448eb211c80319c"
    parent = f"00-{trace}-b7ad6b7169203331-01"
    with Telemetry().span("test", parent=parent):
        await stand.log.publish(outgoing)

    def spans() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in traces.read_text().splitlines()] if traces.exists() else []
        return [span for span in found if span["name"] in {"project batch", "process command.deploy"}]

    batch = await eventually(lambda: [span for span in spans() if span["links"]])
    message = [span for span in spans() if span["name"] == "process command.deploy"]

    assert [span["context"]["trace_id"] for span in message] == [f"0x{trace}"]
    assert [link["context"]["trace_id"] for link in batch[0]["links"]] == [f"0x{trace}"]
