"""Builds that are ended before they come to their own end: by a cancel, or at their deadline."""

import asyncio
from datetime import timedelta

from child_processes import children
from eventually import eventually
from integration.builder.builder_world import APP, BuilderWorld, SilentIndex, Upload, waiting_for
from slipway_builder.sweep import Sweep
from slipway_contracts.envelope import new_id, now
from slipway_contracts.events import BuildFailed, BuildStarted
from slipway_contracts.failure import Reason


async def test_a_cancel_ends_the_work_at_once(
    world: BuilderWorld, upload: Upload, silent_index: SilentIndex
) -> None:
    async with world.builder(max_builds=1):
        asked = await world.ask(await upload(waiting_for(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=20)
        assert children() != []

        cancel = await world.cancel(asked.envelope.id)

        assert await world.operation(cancel) == "succeeded"
        assert await world.operation(asked) == "canceled"
        await eventually(lambda: children() == [], 2)
        await eventually(world.everything_is_answered)
    assert (await world.types())[-1] == "build.canceled.v1"


async def test_a_cancel_decided_elsewhere_ends_the_work_here(
    world: BuilderWorld, upload: Upload, silent_index: SilentIndex
) -> None:
    async with world.builder(), world.builder_process():
        asked = await world.ask(await upload(waiting_for(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=20)

        cancels = [await world.cancel(asked.envelope.id) for _ in range(3)]

        assert sorted([await world.operation(each) for each in cancels]) == ["failed", "failed", "succeeded"]
        assert await world.operation(asked) == "canceled"
        await eventually(world.everything_is_answered)


async def test_a_build_that_waits_for_its_turn_can_be_canceled(
    world: BuilderWorld, upload: Upload, silent_index: SilentIndex
) -> None:
    async with world.builder(max_builds=1):
        first = await world.ask(await upload(waiting_for(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=20)
        second = await world.ask(await upload(APP))

        assert await world.operation(await world.cancel(second.envelope.id)) == "succeeded"
        assert await world.operation(second) == "canceled"
        assert await world.operation(await world.cancel(first.envelope.id)) == "succeeded"
        await eventually(world.everything_is_answered)

    started = [each for each in await world.told() if isinstance(each.message, BuildStarted)]
    assert [each.envelope.causation_id for each in started] == [first.envelope.id]


async def test_a_cancel_of_a_build_that_has_ended_fails_with_a_reason(
    world: BuilderWorld, upload: Upload
) -> None:
    async with world.builder():
        asked = await world.ask(await upload(APP))
        await world.operation(asked)

        failure = await world.failure(await world.cancel(asked.envelope.id))
        unknown = await world.failure(await world.cancel(new_id()))

    assert failure.reason is unknown.reason is Reason.BUILD_NOT_CANCELABLE
    assert "SUCCEEDED" in failure.message
    assert "was never asked for" in unknown.message


async def test_events_that_cannot_be_read_end_no_build(
    world: BuilderWorld, upload: Upload, silent_index: SilentIndex
) -> None:
    async with world.builder():
        hangs = await world.ask(await upload(waiting_for(silent_index)))
        await asyncio.wait_for(silent_index.asked.wait(), timeout=10)
        for event in ("started", "succeeded", "canceled"):
            subject = f"slipway.default.digits.evt.build.{event}"
            await world.connection.request(subject, b"{}", within=5)
        canceled = await world.cancel(hangs.envelope.id)
        assert await world.operation(canceled) == "succeeded"
        later = await world.ask(await upload(APP))
        assert await world.operation(later) == "succeeded"


async def test_a_build_ends_at_its_deadline(
    world: BuilderWorld, upload: Upload, silent_index: SilentIndex
) -> None:
    async with world.builder():
        asked = await world.ask(
            await upload(waiting_for(silent_index)), deadline_at=now() + timedelta(seconds=1)
        )
        failure = await world.failure(asked)
        assert children() == []
        await eventually(world.everything_is_answered)

    assert failure.reason is Reason.DEADLINE_EXCEEDED


async def test_a_build_that_nobody_works_on_is_ended_after_its_deadline(
    world: BuilderWorld, upload: Upload
) -> None:
    past = now() - timedelta(minutes=1)
    asked = await world.ask(await upload(APP), deadline_at=past)
    in_time = await world.ask(await upload(APP))
    sweeps = [Sweep(log=world.log, connection=world.connection) for _ in range(2)]

    await asyncio.gather(*(sweep.once() for sweep in sweeps))

    assert (await world.failure(asked)).reason is Reason.DEADLINE_EXCEEDED
    ended = [each.message.build for each in await world.told() if isinstance(each.message, BuildFailed)]
    assert ended == [asked.envelope.id] != [in_time.envelope.id]
