"""How far a truncation goes, what stops it, and what an interruption leaves behind."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from eventually import eventually
from log_keeper import BESIDE, EndingWalk, Keeper
from log_script import Script
from memory_projection import project
from projector_stand import Stand
from servers import can_mount
from slipway_chassis.heartbeats import Heartbeats
from slipway_chassis.jetstream_api import call
from slipway_chassis.provision import provision
from slipway_chassis.truncation import whole_from
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.names import derived_id
from slipway_contracts.topology import LOG, WEBHOOKS
from slipway_contracts.webhooks import WebhookProgress
from slipway_projector.rebuilds.rebuilding import rebuilt
from slipway_projector.upkeep.announcing import Announcer, Operator
from slipway_projector.upkeep.snapshotting import snapshot_taken
from slipway_projector.upkeep.truncating import announce, bounds, planned, remove

OPERATOR = Operator("ada@shore", "slipway log truncate")


@pytest.fixture
async def walk(keeper: Keeper) -> EndingWalk:
    walk = EndingWalk(51)
    walk.run(900)
    walk.end()
    await keeper.stand.start()
    await keeper.say(walk)
    return walk


@pytest.mark.usefixtures("walk")
async def test_what_the_server_knows_by_its_id_alone_stays(keeper: Keeper) -> None:
    before = await keeper.sequences()
    await keeper.remember_ids_for(24 * 3600)

    ran = await keeper.truncate("1s")

    assert ran.code == 0
    assert "younger than 24 h" in ran.out
    assert await keeper.sequences() == before


@pytest.mark.usefixtures("walk")
async def test_what_a_durable_has_not_acknowledged_stays(keeper: Keeper) -> None:
    await provision(keeper.connection)
    await keeper.remember_ids_for(0.1)

    ran = await keeper.truncate(max(keeper.everything))

    assert ran.code == 0
    assert "not beyond 1: the durable" in ran.out
    assert await whole_from(keeper.log) == 1


@pytest.mark.parametrize(("disabled", "taken"), [(False, True), (False, False), (True, False)])
@pytest.mark.usefixtures("walk")
async def test_what_an_active_webhook_has_not_had_stays(
    keeper: Keeper, *, disabled: bool, taken: bool
) -> None:
    webhook = derived_id("webhook")
    configured = WebhookConfigured(
        group=None, webhook=webhook, url="https://there", secret=1, after=100, by="ada", disabled=disabled
    )
    script = Script()
    script.say(configured)
    revision = await keeper.say(script)
    progress = WebhookProgress(begun=revision, revision=revision, position=200)
    if taken:
        records = Heartbeats(connection=keeper.connection, bucket=WEBHOOKS.name)
        await records.beat(webhook, progress.model_dump_json().encode())

    ran = await keeper.truncate(300)

    assert ran.code == 0, ran
    assert await whole_from(keeper.log) == (300 if disabled else 201 if taken else 101)
    assert (f"the webhook {webhook} has not had what comes then" in ran.out) is not disabled


@pytest.mark.usefixtures("walk")
async def test_what_the_tables_do_not_hold_yet_stays(keeper: Keeper) -> None:
    await keeper.stand.stop()
    late = Script("late")
    for number in range(1, 4):
        late.deployed(number)
    held = await keeper.stand.position()
    end = await late.write(keeper.log)

    ran = await keeper.truncate(end)

    assert f"not beyond {held + 1}: the tables hold the log up to {held}" in ran.out
    assert set(range(held + 1, end + 1)) <= set(await keeper.sequences())


@pytest.mark.usefixtures("walk")
async def test_nothing_goes_when_the_tables_are_not_what_the_log_says(keeper: Keeper) -> None:
    before = await keeper.sequences()
    await keeper.stand.fetch("delete from release where number = 1")

    ran = await keeper.truncate(500)

    assert ran.code == 2
    assert "release: 0 against" in ran.error
    assert "slipway projections rebuild" in ran.error
    assert await keeper.sequences() == before


@pytest.mark.usefixtures("walk")
async def test_nothing_goes_without_consent(keeper: Keeper) -> None:
    before = await keeper.sequences()

    dry = await keeper.run("truncate", "--before", "500", "--dry-run")
    unasked = await keeper.truncate(500, yes=False)
    nonsense = await keeper.truncate("tomorrow")

    assert dry.code == 0
    assert "messages before 500 go from the log" in dry.out
    assert unasked.code == 2
    assert "repeat with --yes" in unasked.error
    assert nonsense.code == 2
    assert "'tomorrow' is no sequence" in nonsense.error
    assert await keeper.sequences() == before


@pytest.mark.usefixtures("walk")
async def test_two_at_once_exclude_each_other(keeper: Keeper) -> None:
    before = await keeper.sequences()

    async with rebuilt(keeper.log, keeper.stand.url, schema=BESIDE):
        ran = await keeper.truncate(500)
    both = await asyncio.gather(keeper.truncate(500), keeper.truncate(400))

    assert ran.code == 2
    assert "another process rebuilds" in ran.error
    assert 500 in before
    assert {each.code for each in both} <= {0, 2}
    assert await whole_from(keeper.log) in {400, 500}
    assert await keeper.differences() == []


@pytest.mark.parametrize("share", [0.0, 0.5])
async def test_an_interrupted_truncation_is_finished_by_the_next(
    keeper: Keeper, walk: EndingWalk, share: float
) -> None:
    place = keeper.log, keeper.stand.url
    announcer = Announcer(connection=keeper.connection, log=keeper.log, operator=OPERATOR)
    async with (
        snapshot_taken(announcer, keeper.stand.url, keeper.blobs) as taken,
        planned(*place, wished=500, within=await bounds(keeper.connection, *place)) as plan,
    ):
        going = [each async for page in plan.going.pages() for each in page]
        await announce(announcer, plan, taken)
        await remove(keeper.connection, keeper.log, first(going[: int(len(going) * share)]))

    between = await keeper.differences()
    ran = await keeper.truncate(500)
    left = await keeper.sequences()
    walk.run(50)
    await keeper.say(walk)

    assert between == []
    assert ran.code == 0, ran
    assert not set(going) & set(left)
    assert await keeper.differences() == []
    assert await keeper.stand.tables() == project(keeper.history)


@pytest.mark.usefixtures("walk")
async def test_a_killed_truncation_leaves_a_log_that_tables_can_be_made_of(keeper: Keeper) -> None:
    end = max(keeper.everything)
    process = await keeper.start("truncate", "--before", str(end), "--yes")

    async def is_announced() -> bool:
        return await whole_from(keeper.log) > 1

    await eventually(is_announced, timeout=60)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    between = await keeper.differences()
    ran = await keeper.truncate(end)

    assert between == []
    assert ran.code == 0, ran
    assert await keeper.differences() == []


@pytest.mark.usefixtures("walk")
async def test_a_user_of_nats_who_may_not_remove_is_told_before_anything_is_done(keeper: Keeper) -> None:
    info = await call(keeper.connection, f"STREAM.INFO.{LOG.name}", within=5)
    await call(
        keeper.connection, f"STREAM.UPDATE.{LOG.name}", info["config"] | {"deny_delete": True}, within=5
    )
    before = await keeper.sequences()

    ran = await keeper.truncate(500)

    assert ran.code == 2
    assert "denies deletes" in ran.error
    assert await keeper.sequences() == before


async def first(sequences: Sequence[int]) -> AsyncIterator[Sequence[int]]:
    yield sequences


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
@pytest.mark.usefixtures("walk")
async def test_nothing_goes_when_the_snapshot_has_no_space(keeper: Keeper) -> None:
    keeper.folder.mkdir()
    before = await keeper.sequences()
    mount = f'mount -t tmpfs -o size=16k tmpfs "{keeper.folder}" && exec "$@"'

    ran = await keeper.run(
        "truncate", "--before", "500", "--yes", wrapper=("unshare", "-rm", "sh", "-c", mount, "sh")
    )

    assert ran.code == 2
    assert ran.error.strip() == f"no space left below {keeper.folder}; free some there"
    assert await keeper.sequences() == before


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
@pytest.mark.parametrize("command", [("snapshot",), ("truncate", "--before", "500", "--yes")])
@pytest.mark.usefixtures("walk")
async def test_nothing_is_begun_where_postgres_has_no_room_for_two_copies(
    keeper: Keeper, tmp_path: Path, command: Sequence[str]
) -> None:
    before, files = await keeper.sequences(), tmp_path / "postgres"
    files.mkdir()
    mount = f'mount -t tmpfs -o size=64k tmpfs "{files}" && SLIPWAY_DATABASE_FOLDER="{files}" exec "$@"'

    ran = await keeper.run(*command, wrapper=("unshare", "-rm", "sh", "-c", mount, "sh"))

    needed = re.search(r"two copies of the tables, ([0-9.]+) MB, and 0\.1 MB are free in", ran.error)
    assert ran.code == 2
    assert needed is not None, ran
    assert float(needed[1]) > 1
    assert not list(keeper.folder.glob("sha256/*/*"))
    assert await keeper.sequences() == before


async def test_tables_that_are_older_than_the_truncation_are_not_continued(
    keeper: Keeper, walk: EndingWalk
) -> None:
    await keeper.truncate(max(keeper.everything))
    await keeper.stand.stop()
    await keeper.stand.fetch("truncate checkpoint, event, deployment, release, operation")
    anew = Stand(keeper.log, keeper.stand.url)
    running = await anew.start()

    async def says() -> bool:
        problem = await running.projector.problem() or ""
        return "is truncated before" in problem and "slipway projections rebuild" in problem

    await eventually(says)
    await anew.stop()
    await keeper.rebuild()
    running = await keeper.stand.start()
    walk.run(50)
    await keeper.say(walk)

    assert await keeper.stand.tables() == project(keeper.history)
    await running.stop()
