"""Builds that are delivered twice, or whose builder or log dies in between."""

import asyncio
import signal
from collections import Counter

from eventually import eventually
from integration.builder.builder_world import (
    APP,
    BuilderWorld,
    GatedIndex,
    Upload,
    command_of,
    run,
    waiting_for,
)
from slipway_builder.journal.endings import failed
from slipway_builder.journal.failures import overdue
from slipway_contracts.failure import Reason


async def test_a_command_that_comes_again_after_its_end_writes_nothing(
    world: BuilderWorld, upload: Upload
) -> None:
    asked = await world.ask(await upload(APP))
    async with world.builds() as builds:
        await run(builds, asked)
    before = await world.types()

    async with world.builder():
        await eventually(world.everything_is_answered)

    assert await world.types() == before


async def test_two_builders_that_race_for_one_command_end_it_once(
    world: BuilderWorld, upload: Upload
) -> None:
    asked = await world.ask(await upload(APP))

    async with world.builds() as one, world.builds() as other:
        await asyncio.gather(*(run(each, asked) for each in (one, other)))

    counted = Counter(await world.types())
    assert counted["build.succeeded.v1"] == counted["operation.succeeded.v1"] == 1
    assert counted["operation.started.v1"] == 1
    assert len(await world.versions()) == 1


async def test_a_builder_that_was_replaced_writes_nothing_more_and_waits_for_the_end(
    world: BuilderWorld, upload: Upload, gated_index: GatedIndex
) -> None:
    asked = await world.ask(await upload(waiting_for(gated_index)))
    async with world.builds() as replaced, world.builds() as newer:
        waiting = asyncio.create_task(run(replaced, asked))
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        journal = newer.journal(asked)
        await journal.begin(command_of(asked))
        before = len(await world.types())

        gated_index.open.set()
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert not done
        assert len(await world.types()) == before

        await journal.append(*failed(("default", "digits"), asked.envelope.id, overdue()))
        await asyncio.wait_for(waiting, timeout=10)


async def test_a_build_that_a_killed_builder_began_is_ended_by_another(
    world: BuilderWorld, upload: Upload, gated_index: GatedIndex
) -> None:
    await world.shorten_ack_wait(1)
    async with world.builder_process() as process:
        asked = await world.ask(await upload(waiting_for(gated_index)))
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    gated_index.open.set()

    async with world.builder():
        assert await world.operation(asked) == "succeeded"
        await eventually(world.everything_is_answered)

    counted = Counter(await world.types())
    # On a busy machine the second builder's delivery may be repeated too before it says that it works.
    assert counted["build.started.v1"] >= 2
    assert counted["operation.started.v1"] == 1
    assert counted["build.succeeded.v1"] == 1
    assert list((world.folder / "builder" / "work").iterdir()) == []


async def test_a_builder_that_is_told_to_stop_gives_its_build_back_at_once(
    world: BuilderWorld, upload: Upload, gated_index: GatedIndex
) -> None:
    async with world.builder_process() as process:
        asked = await world.ask(await upload(waiting_for(gated_index)))
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        process.terminate()
        assert await asyncio.wait_for(process.wait(), timeout=10) == 0
    gated_index.open.set()

    async with world.builder():
        assert await world.operation(asked, within=10) == "succeeded"


async def test_a_restart_of_the_log_in_the_middle_of_a_build_is_survived(
    world: BuilderWorld, upload: Upload, gated_index: GatedIndex
) -> None:
    async with world.builder():
        asked = await world.ask(await upload(waiting_for(gated_index)))
        await asyncio.wait_for(gated_index.asked.wait(), timeout=20)
        world.nats.kill9()
        gated_index.open.set()
        await asyncio.to_thread(world.nats.start)

        assert await world.operation(asked) == "succeeded"

    assert Counter(await world.types())["build.succeeded.v1"] == 1


async def test_a_build_that_no_builder_survives_is_given_up(world: BuilderWorld, upload: Upload) -> None:
    asked = await world.ask(await upload(APP))
    for _ in range(10):
        async with world.builds() as builds:
            await builds.journal(asked).begin(command_of(asked))

    async with world.builder():
        failure = await world.failure(asked)

    assert failure.reason is Reason.BUILD_FAILED
    assert "begun 10 times" in failure.message
