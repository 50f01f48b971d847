"""Random walks, the same ones on every run; `make soak` takes as many as one likes."""

import os
from collections.abc import Iterator

import hypothesis
import pytest
from e2e.lifecycle_machine import LifecycleMachine
from e2e.lifecycle_world import LifecycleWorld
from e2e.running_platform import RunningPlatform
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

STEPS = 25
REHEARSALS = 6
SEEDS = range(int(os.environ.get("WALKS", "12")))


@pytest.fixture(scope="module")
def world(platform: RunningPlatform) -> Iterator[LifecycleWorld]:
    world = LifecycleWorld(platform)
    world.prepare_group()
    yield world
    world.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_asked_and_killed_all_comes_to_rest_and_agrees(world: LifecycleWorld, seed: int) -> None:
    LifecycleMachine.world, LifecycleMachine.rehearsals = world, REHEARSALS
    once = settings(
        max_examples=REHEARSALS + 1,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=tuple(HealthCheck),
    )
    run_state_machine_as_test(hypothesis.seed(seed)(LifecycleMachine), settings=once)
