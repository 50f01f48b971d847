import json
import secrets
from datetime import timedelta

import pytest
from eventually import eventually
from log_script import LATER, Script
from log_walk import Walk
from memory_projection import as_logged, project, read_log
from projector_stand import Stand
from slipway_chassis.connection import Connection
from slipway_contracts.commands import Stop
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.replica import ReplicaState
from slipway_store.queries import open_reads


async def test_a_log_becomes_the_rows_that_its_fold_says(stand: Stand) -> None:
    script = Script()
    script.built()
    script.deployed()
    await stand.start()

    end = await script.write(stand.log)
    await stand.reached(end)

    assert await stand.tables() == project(as_logged(script.messages))
    (checkpoint,) = await stand.fetch("select stream, sequence, event_id, at from checkpoint")
    last = script.messages[-1].envelope
    assert tuple(checkpoint) == ("SLIPWAY", end, last.id, last.time)


async def test_every_message_is_kept_as_it_came(stand: Stand) -> None:
    script = Script()
    script.deployed()
    await stand.start()

    await stand.reached(await script.write(stand.log))

    rows = await stand.fetch("select * from event order by sequence")
    logged = await read_log(stand.log)
    assert [(row["sequence"], row["id"], row["type"], row["subject"], row["time"]) for row in rows] == [
        (each.sequence, each.id, each.type, each.subject, each.time) for each in logged
    ]
    assert [json.loads(row["body"]) for row in rows] == [json.loads(each.body) for each in logged]


@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_any_walk_folds_to_the_same_rows_whatever_the_batches_and_restarts(
    stand: Stand, seed: int
) -> None:
    walk = Walk(seed)
    for batch in (1, 7, 500):
        running = await stand.start(batch_messages=batch)
        for _ in range(4):
            walk.run(60)
            end = await walk.write(stand.log)
        await running.stop()

    await stand.start()
    await stand.reached(end)

    assert await stand.tables() == project(await read_log(stand.log))
    assert (await stand.fetch("select count(*) from event"))[0][0] == end


async def test_a_message_that_came_twice_counts_once_also_after_a_restart(
    stand: Stand, connection: Connection
) -> None:
    script = Script()
    operation = script.deployed()
    first = await stand.start()
    await stand.reached(await script.write(stand.log))
    before = await stand.tables()

    stop = Stop(**script.asker)
    script.say(stop, identifier=operation)
    repeated = script.messages[-1]
    for number in range(2):
        # Past the dedup window of the log: the same id in the envelope, unknown to the server.
        headers = repeated.envelope.to_headers() | {"Nats-Msg-Id": f"other-{number}"}
        await connection.nc.jetstream().publish(
            repeated.subject, stop.model_dump_json().encode(), headers=headers
        )
        await stand.reached(await stand.log.end())
        await first.stop()
        first = await stand.start()

    assert await stand.tables() == before
    assert (await stand.fetch("select count(*) from event"))[0][0] == len(script.messages) - 1
    assert await stand.position() == len(script.messages) + 1


async def test_what_nobody_understands_is_kept_counted_and_passed_over(
    stand: Stand, connection: Connection
) -> None:
    running = await stand.start()
    script = Script()
    script.deploy()
    await script.write(stand.log)
    publish = connection.nc.jetstream().publish
    headers = script.messages[0].envelope.to_headers()

    strange = [
        (b'{"new": 1}', {"ce-id": "a", "ce-type": "dev.slipway.wheel.turned.v9"}),
        (b"{}", {"ce-id": "b"}),
        (b"\xff\x00", {"ce-id": "c"}),
        (b'{"nul": "\\u0000"}', {"ce-id": "d", "ce-type": "dev.slipway.wheel.turned.v9"}),
        (b'{"n": 1e999999}', {"ce-id": "e", "ce-type": "dev.slipway.wheel.turned.v9"}),
        (b"{}", {"ce-id": "f", "ce-source": "s" * 9000}),
        (b"{}", {"ce-id": secrets.token_hex(5000)}),
    ]
    for data, changed in strange:
        named = headers | changed | {"Nats-Msg-Id": changed["ce-id"][:9]}
        await publish("slipway.default.digits.evt.wheel.turned", data, headers=named)
    await publish("slipway.default.digits.evt.wheel.turned", b"no headers at all")
    script.replica(ReplicaState.READY, 1)
    end = await script.write(stand.log)
    await stand.reached(end)

    replicas = await stand.fetch("select sequence from replica")
    events = await stand.fetch("select sequence, id, type, body from event order by sequence")
    assert [row["sequence"] for row in replicas] == [end]
    assert [row["sequence"] for row in events] == [*range(1, end + 1)]
    assert json.loads(events[1]["body"]) == {"new": 1}
    assert json.loads(events[4]["body"]) == {"nul": "\ufffd"}
    assert json.loads(json.loads(events[5]["body"])) == {"n": float("inf")}
    assert events[7]["id"] == "sequence-8", "an id that no index takes"
    assert (events[8]["id"], events[8]["type"]) == ("sequence-9", "unknown")
    assert running.count("unfolded_messages_total", noun="unknown") == 4
    assert running.count("unfolded_messages_total", noun="command") == 4


async def test_a_body_that_no_table_takes_is_set_aside_and_its_neighbours_are_folded(stand: Stand) -> None:
    script = Script()
    script.deployed()
    script.replica(ReplicaState.EXITED, 3, exit_code=1 << 70)
    script.say(Stop(**script.asker))
    await stand.start()

    end = await script.write(stand.log)
    await stand.reached(end)

    kept = await stand.fetch("select id, body from event where sequence = $1", end - 1)
    assert kept[0]["id"] == f"sequence-{end - 1}"
    assert json.loads(json.loads(kept[0]["body"]))["exit_code"] == 1 << 70
    assert await stand.state() == "STOPPING"
    replicas = await stand.fetch("select state from replica")
    assert [row[0] for row in replicas] == ["ready"]


async def test_all_deployments_of_a_lost_target_become_unknown_also_those_not_in_memory(
    stand: Stand,
) -> None:
    running = await stand.start()
    for name in ("digits", "words"):
        script = Script(name, base=await stand.log.end())
        script.deployed()
        await stand.reached(await script.write(stand.log))
    await running.stop()
    installation = Script("installation")
    installation.say(TargetLost(target="local", since=LATER))

    await stand.start()
    await stand.reached(await installation.write(stand.log))
    lost = [await stand.state(name) for name in ("digits", "words")]
    installation.say(TargetFound(target="local"))
    await stand.reached(await installation.write(stand.log))

    assert lost == ["UNKNOWN", "UNKNOWN"]
    assert [await stand.state(name) for name in ("digits", "words")] == ["DEPLOYED", "DEPLOYED"]


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_no_read_sees_the_tables_between_two_messages_of_one_decision(stand: Stand, most: int) -> None:
    await stand.fetch("create table seen (sequence bigint)")
    await stand.fetch(
        "create function see() returns trigger language plpgsql as "
        "'begin insert into slipway.seen values (new.sequence); return new; end'"
    )
    await stand.fetch("create trigger see after update on checkpoint for each row execute function see()")
    await stand.start(batch_messages=most)

    ends = {0}
    for number in (1, 2, 3):
        script = Script(f"model-{number}", base=await stand.log.end())
        script.deployed()
        ends.add(await script.write(stand.log))
        script.replica(ReplicaState.READY, 3)
        ends.add(await script.write(stand.log))
    await stand.reached(max(ends))

    seen = {row["sequence"] for row in await stand.fetch("select sequence from seen")}
    assert max(ends) in seen
    assert seen <= ends


async def test_what_no_table_takes_does_not_part_the_decision_that_it_is_of(stand: Stand) -> None:
    script = Script()
    script.deployed()
    script.replica(ReplicaState.EXITED, 3, exit_code=1 << 70)
    script.say(Stop(**script.asker))
    await stand.fetch("create table seen (sequence bigint, tx xid8)")
    await stand.fetch(
        "create function see() returns trigger language plpgsql as "
        "'begin insert into slipway.seen values (new.sequence, pg_current_xact_id()); return new; end'"
    )
    await stand.fetch("create trigger see after update on checkpoint for each row execute function see()")
    await stand.start()

    await stand.reached(await script.write(stand.log))

    transactions = await stand.fetch("select count(distinct tx), count(*) from seen")
    assert tuple(transactions[0]) == (1, len(script.messages))


async def test_a_restarted_projector_goes_on_from_the_checkpoint(stand: Stand) -> None:
    script = Script()
    script.built()
    first = await stand.start()
    await stand.reached(await script.write(stand.log))
    await first.stop()
    script.deployed()
    end = await script.write(stand.log)

    second = await stand.start()
    await stand.reached(end)

    folded = sum(second.count("messages_total", noun=noun) for noun in ("command", "release", "build"))
    assert folded == 5, "only what came after the checkpoint"
    assert await stand.tables() == project(as_logged(script.messages))


async def test_a_projector_is_ready_once_it_has_caught_up(stand: Stand) -> None:
    walk = Walk(3)
    walk.run(300)
    end = await walk.write(stand.log)

    running = await stand.start()
    before = await running.projector.problem()

    async def ready() -> bool:
        return await running.projector.problem() is None

    await eventually(ready)
    assert before is not None
    assert await stand.position() >= end
    assert running.count("active") == 1
    await eventually(lambda: running.count("lag_messages") == 0)


async def test_a_single_message_waits_for_no_other(stand: Stand) -> None:
    await stand.start()
    script = Script()
    script.deployed()
    await stand.reached(await script.write(stand.log))
    reads = await open_reads(stand.url)

    waited = []
    for transition in range(3, 23):
        script.replica(ReplicaState.READY, transition)
        end = await script.write(stand.log)
        waited.append(await reads.wait_for(end, timedelta(seconds=20)))
    await reads.close()

    assert waited == [True] * 20
