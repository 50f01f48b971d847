"""Any commands in any order, with a target, a monitor and a gateway that answer when they like."""

import os

import pytest
from deployment_walk import Walk

SEEDS = int(os.environ.get("SLIPWAY_TEST_SEEDS", "20"))
STEPS = 60


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_asked_every_promise_holds_at_every_step(seed: int) -> None:
    walk = Walk(seed)

    try:
        walk.run(STEPS)
    except Exception as error:
        error.add_note("\n".join(walk.trail[-30:]))
        raise
