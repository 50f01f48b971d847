"""What a truncated log still says, and what is made of it together with its snapshot."""

import json

import pytest
from log_keeper import EndingWalk, Keeper
from log_script import GROUP, Script, make_failure
from memory_projection import project
from slipway_chassis.errors import ConflictError
from slipway_chassis.event_log import Expect, Outgoing
from slipway_chassis.jetstream_api import call
from slipway_chassis.truncation import whole_from
from slipway_contracts import subjects
from slipway_contracts.commands import Stop
from slipway_contracts.events import MessageDead, MessageDiscarded, OperationFailed
from slipway_contracts.replica import ReplicaState
from slipway_contracts.topology import LOG
from slipway_projector.upkeep.snapshot import SnapshotError


async def begun(keeper: Keeper, seed: int = 41, steps: int = 900) -> EndingWalk:
    walk = EndingWalk(seed)
    walk.run(steps)
    walk.end()
    await keeper.stand.start()
    await keeper.say(walk)
    return walk


@pytest.mark.parametrize("seed", [41, 42])
async def test_a_snapshot_and_a_truncated_log_make_the_same_tables(keeper: Keeper, seed: int) -> None:
    walk = await begun(keeper, seed)
    end = max(keeper.everything)

    ran = await keeper.truncate(end - 100)
    left = await keeper.sequences()
    verified = await keeper.differences()
    walk.run(200)
    await keeper.say(walk)
    await keeper.rebuild()

    assert ran.code == 0, ran
    assert await whole_from(keeper.log) == end - 100
    assert len(left) < len(keeper.everything) * 0.6
    assert set(range(end - 100, end + 1)) <= set(left), "the log is whole from there on"
    assert verified == []
    assert await keeper.stand.tables() == project(keeper.history)
    stored = await keeper.stand.fetch("select sequence from event order by sequence")
    assert [row[0] for row in stored] == sorted(keeper.everything), "no message is lost to the past"


async def purge(keeper: Keeper, before: int) -> None:
    """Remove the begin of the log as no command of the platform does."""
    await call(keeper.connection, f"STREAM.PURGE.{LOG.name}", {"seq": before}, within=5)


async def test_of_a_log_that_somebody_purged_nothing_is_lost_that_a_snapshot_holds(keeper: Keeper) -> None:
    await begun(keeper)
    taken = await keeper.run("snapshot")
    await keeper.remember()

    await purge(keeper, 300)
    shown = await keeper.run("show")
    await keeper.stand.reached(max(keeper.everything))
    verified = await keeper.differences()
    await keeper.rebuild()

    assert taken.code == 0, taken
    assert "whole from 300 on" in shown.out
    assert verified == []
    assert await keeper.stand.tables() == project(keeper.history)


async def test_of_a_purged_log_without_a_snapshot_nothing_is_rebuilt(keeper: Keeper) -> None:
    await begun(keeper)
    before = await keeper.stand.tables()
    await purge(keeper, 300)

    with pytest.raises(SnapshotError, match="lacks what came before 300"):
        await keeper.rebuild()

    assert await keeper.stand.tables() == before


async def test_a_second_truncation_begins_where_the_first_ended(keeper: Keeper) -> None:
    walk = await begun(keeper)
    first = await keeper.truncate(max(keeper.everything) - 100)
    before = len(await keeper.sequences())
    walk.run(300)
    walk.end()
    await keeper.say(walk)

    second = await keeper.truncate(max(keeper.everything) - 50)
    left = await keeper.sequences()

    assert (first.code, second.code) == (0, 0), second
    assert len(left) < before + 150
    assert await keeper.differences() == []
    assert await keeper.stand.tables() == project(keeper.history)
    blobs = list(keeper.folder.glob("sha256/*/*"))
    assert len(blobs) > 20, "both snapshots are kept"


async def test_repeating_a_truncation_removes_nothing_else(keeper: Keeper) -> None:
    await begun(keeper)
    await keeper.truncate(500)
    left = await keeper.sequences()

    again, less = await keeper.truncate(500), await keeper.truncate(100)

    assert (again.code, less.code) == (0, 0)
    assert "nothing to remove before 500" in again.out
    assert "nothing to remove before 500" in less.out, "what is gone stays gone"
    assert await keeper.sequences() == left


async def test_every_expected_sequence_holds_as_it_did(keeper: Keeper) -> None:
    await begun(keeper)
    lasts = await keeper.lasts()
    lane = subjects.deployer_commands(GROUP, "digits")
    etag = await keeper.log.last(lane)
    assert etag is not None

    await keeper.truncate(max(keeper.everything))

    assert await keeper.lasts() == lasts
    script = Script()
    script.say(Stop(**script.asker), identifier="00000000-0000-7000-8000-000000000001")
    (asked,) = script.messages
    for wrong in (0, etag.sequence - 1):
        with pytest.raises(ConflictError):
            await keeper.log.publish(expecting(asked, wrong, lane))
    await keeper.log.publish(expecting(asked, etag.sequence, lane))


def expecting(outgoing: Outgoing, sequence: int, subject: str) -> Outgoing:
    return Outgoing(
        subject=outgoing.subject,
        message=outgoing.message,
        envelope=outgoing.envelope,
        expect=Expect(sequence=sequence, subject=subject),
    )


async def test_what_has_not_ended_stays_with_all_that_came_since(keeper: Keeper) -> None:
    done, open_, late = Script("digits"), Script("words"), Script("faces")
    for script in (done, open_, late):
        script.deployed()
    unfinished = len(open_.messages)
    open_.deploy(2)
    open_.replica(ReplicaState.UNREADY, 3)
    open_.replica(ReplicaState.READY, 4)
    building = len(late.messages)
    late.ask_build()
    late.replica(ReplicaState.UNREADY, 3)
    late.replica(ReplicaState.READY, 4)
    for script in (done, open_, late):
        script.deployed(3)
    await keeper.stand.start()
    for script in (done, open_, late):
        await keeper.say(script)

    await keeper.truncate(max(keeper.everything))

    left = [keeper.everything[each] for each in await keeper.sequences()]
    of = {name: [each for each in left if each.deployment == name] for name in ("digits", "words", "faces")}
    assert len(of["words"]) >= len(open_.messages) - unfinished
    assert len(of["faces"]) >= len(late.messages) - building
    assert {each.id for each in of["words"]} >= {each.envelope.id for each in open_.messages[unfinished:]}
    assert {each.id for each in of["faces"]} >= {each.envelope.id for each in late.messages[building:]}
    assert len(of["digits"]) < len(done.messages) * 0.7


@pytest.mark.parametrize("settled", [False, True])
async def test_a_dead_message_can_be_shown_and_retried_until_it_is_settled(
    keeper: Keeper, *, settled: bool
) -> None:
    script = Script()
    script.deployed()
    dead = len(script.messages) + 1
    operation = script.deploy(2)
    about = {
        "service": "deployer",
        "sequence": dead,
        "deliveries": 20,
        "error": "no",
        "message_id": operation,
    }
    script.say(MessageDead(**script.owner, **about, message_type="command.deploy.v1"))
    script.say(OperationFailed(**script.owner, operation=operation, failure=make_failure()))
    failed = len(script.messages)
    if settled:
        script.say(MessageDiscarded(**script.owner, sequence=dead, by="ada"))
    for number in (3, 4):
        operation = script.deployed(number)
        script.say(OperationFailed(**script.owner, operation=operation, failure=make_failure()))
    await keeper.stand.start()
    await keeper.say(script)

    await keeper.truncate(max(keeper.everything))

    left = await keeper.sequences()
    assert dead in left
    assert (failed in left) is not settled


async def test_a_replica_that_is_there_is_known_to_have_been_ready(keeper: Keeper) -> None:
    script = Script()
    script.deployed()
    script.replica(ReplicaState.UNREADY, 3)
    script.replica(ReplicaState.READY, 4)
    ready = len(script.messages)
    script.replica(ReplicaState.UNREADY, 5)
    script.replica(ReplicaState.UNREADY, 6)
    gone = Script("words")
    gone.deployed()
    gone.replica(ReplicaState.EXITED, 3, exit_code=1)
    gone.replica(ReplicaState.GONE, 4)
    await keeper.stand.start()
    await keeper.say(script)
    await keeper.say(gone)

    await keeper.truncate(max(keeper.everything))

    left = [keeper.everything[each] for each in await keeper.sequences()]
    facts = [each for each in left if each.type == "replica.v1" and each.deployment == "digits"]
    assert [each.sequence for each in facts] == [ready, ready + 1, ready + 2]
    ends = [each for each in left if each.type == "replica.v1" and each.deployment == "words"]
    assert [json.loads(each.body)["state"] for each in ends] == ["gone"]


async def test_what_is_read_from_the_beginning_on_stays_whole(keeper: Keeper) -> None:
    walk = await begun(keeper)
    script = Script("words")
    for number in range(1, 4):
        script.built(number)
    await keeper.say(script)
    whole = ("build.succeeded", "build.failed", "build.canceled", "build.started", "version.", "workload.")
    read = [
        each.sequence
        for each in keeper.history
        if each.type.startswith(whole) or each.deployment is None or ".cmd.builder." in each.subject
    ]

    ran = await keeper.truncate(max(keeper.everything))

    assert ran.code == 0, ran
    assert set(read) <= set(await keeper.sequences())
    assert len(read) > 20
    assert walk.messages
