"""What refers to a secret or an artifact of a group."""

from typing import Any

import pytest
from log_script import GROUP
from slipway_contracts.lifecycle import KEPT_RELEASES, DeploymentState, ReleaseState
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import SecretRef
from slipway_store.queries import Reads
from slipway_store.records import DEPLOYMENT, RELEASE
from store_world import World, make_deployment, make_release

WITH_TOKEN = ReleaseConfig(environment={"TOKEN": SecretRef(secret="token", version=1)})  # noqa: S106
TO_PULL = ReleaseConfig(image_pull_secret=SecretRef(secret="token", version=1))  # noqa: S106


@pytest.mark.parametrize(
    ("deployment", "release", "refers"),
    [
        ({}, {"config": WITH_TOKEN}, True),
        ({}, {"config": TO_PULL}, True),
        ({}, {}, False),
        ({}, {"config": WITH_TOKEN, "state": ReleaseState.RETIRED}, True),
        ({"state": DeploymentState.PURGED}, {"config": WITH_TOKEN}, False),
    ],
)
async def test_a_secret_is_used_by_what_runs_or_can_run_again(
    world: World, reads: Reads, deployment: dict[str, Any], release: dict[str, Any], *, refers: bool
) -> None:
    await world.write(DEPLOYMENT, make_deployment(**deployment))
    await world.write(RELEASE, make_release(1, **release))

    users = await reads.users_of_secret(GROUP, "token")

    assert users == (["digits"] if refers else [])
    assert await reads.users_of_secret("other", "token") == []
    assert await reads.users_of_secret(GROUP, "other") == []


@pytest.mark.parametrize(
    ("newer", "changes", "refers"),
    [
        (KEPT_RELEASES - 1, {"state": ReleaseState.RETIRED}, True),
        (KEPT_RELEASES, {"state": ReleaseState.RETIRED}, False),
        (KEPT_RELEASES, {"state": ReleaseState.RETIRED, "pinned": True}, True),
        (KEPT_RELEASES, {"state": ReleaseState.LIVE}, True),
        (KEPT_RELEASES, {"state": ReleaseState.DRAINING}, True),
    ],
)
async def test_an_old_release_uses_a_secret_while_it_is_kept(
    world: World, reads: Reads, newer: int, changes: dict[str, Any], *, refers: bool
) -> None:
    await world.write(DEPLOYMENT, make_deployment())
    await world.write(RELEASE, make_release(1, config=WITH_TOKEN, **changes))
    await world.write(RELEASE, *(make_release(2 + number) for number in range(newer)))

    assert await reads.users_of_secret(GROUP, "token") == (["digits"] if refers else [])
