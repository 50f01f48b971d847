"""A build that fails for no reason of its own comes again and again, and keeps no other from being made."""

from pathlib import Path

import pytest
from eventually import eventually
from integration.builder.builder_world import MANIFEST, BuilderWorld, Upload
from slipway_chassis.jetstream_api import publish
from slipway_contracts.envelope import Envelope, new_id, now
from slipway_contracts.subjects import build_ends


async def poison(world: BuilderWorld, deployment: str, identifier: str = "") -> None:
    envelope = Envelope(
        id=identifier or new_id(),
        type="command.build.v1",
        source="/test",
        subject=f"default/{deployment}",
        time=now(),
    )
    subject = f"slipway.default.{deployment}.cmd.builder.build"
    await publish(world.connection, subject, b"\xff", headers=envelope.to_headers(), within=5)


async def positions(world: BuilderWorld, subject: str) -> list[int]:
    return [stored.sequence async for stored in world.log.read(subject, after=0)]


async def test_a_build_that_cannot_be_handled_delays_no_other(
    world: BuilderWorld, upload: Upload, tmp_path: Path
) -> None:
    sources = [await upload({"slipway.yaml": MANIFEST, "greet.py": name}) for name in ("sick", "well")]
    (blob,) = (tmp_path / "blobs").rglob(sources[0].removeprefix("sha256:"))
    aside = blob.rename(tmp_path / "aside")
    blob.mkdir()
    await world.ask(sources[0], deployment="sick")
    for _ in range(20):
        await poison(world, "unreadable")
    await world.ask(sources[1], deployment="well")

    async with world.builder(max_builds=1):
        (made,) = await eventually(lambda: positions(world, build_ends("default", "well")[0]), 30)
        ended = [await positions(world, subject) for subject in build_ends("default", "sick")]
        blob.rmdir()
        aside.rename(blob)
        (made_later,) = await eventually(lambda: positions(world, build_ends("default", "sick")[0]), 40)

    assert ended == [[], [], []], "it still comes again"
    assert (await positions(world, "slipway.default.sick.evt.build.started"))[0] < made < made_later
    dead = await positions(world, "slipway.default.unreadable.evt.message.dead")
    failed = await positions(world, "slipway.default.unreadable.evt.build.failed")
    assert len(dead) == len(failed) == 20
    assert max(dead) < made


@pytest.mark.parametrize(
    ("deployment", "identifier", "told"), [("ILL", "", "ill-named"), ("sick", "p1", "sick")]
)
async def test_a_build_that_nobody_can_have_asked_for_is_given_up_like_any_other(
    world: BuilderWorld, deployment: str, identifier: str, told: str
) -> None:
    await poison(world, deployment, identifier)

    async with world.builder():
        dead = await eventually(lambda: positions(world, f"slipway.default.{told}.evt.message.dead"), 30)

    assert len(dead) == 1
    assert await positions(world, "slipway.default.*.evt.build.failed") == []
