"""What the gateway knows, on its disk."""

from pathlib import Path

import pytest
from gateway_world import DeploymentStory
from slipway_gateway.files import GatewayFolder
from slipway_gateway.known import Known
from slipway_gateway.snapshot import Snapshot


def known_of(*stories: DeploymentStory) -> Known:
    known = Known()
    for story in stories:
        known.take(story.desired)
    return known


@pytest.fixture
def folder(tmp_path: Path) -> GatewayFolder:
    folder = GatewayFolder(tmp_path / "state")
    folder.create()
    return folder


def inode(folder: GatewayFolder) -> int:
    return folder.known.stat().st_ino


async def test_what_was_saved_is_loaded_at_the_next_start(folder: GatewayFolder) -> None:
    known = known_of(DeploymentStory(), DeploymentStory(deployment="cats"))

    await Snapshot(folder).save(known)

    assert list(Snapshot(folder).load().deployments()) == list(known.deployments())


async def test_the_file_is_written_only_when_something_changed(folder: GatewayFolder) -> None:
    story = DeploymentStory()
    known = known_of(story)
    await Snapshot(folder).save(known)
    first = inode(folder)
    snapshot = Snapshot(folder)

    await snapshot.save(snapshot.load())
    unchanged = inode(folder)
    story.add_release(1)
    story.traffic = {1: 100}
    known.take(story.desired)
    await snapshot.save(known)

    assert unchanged == first
    assert folder.known.read_bytes() == known.dump().joined()


async def test_what_found_no_place_is_written_by_the_next_save(tmp_path: Path) -> None:
    folder = GatewayFolder(tmp_path / "state")
    known = known_of(DeploymentStory())
    snapshot = Snapshot(folder)

    await snapshot.save(known)
    folder.create()
    await snapshot.save(known)

    assert folder.known.read_bytes() == known.dump().joined()
