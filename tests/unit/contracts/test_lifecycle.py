from itertools import product

import pytest
from slipway_contracts.lifecycle import (
    BUILD_MOVES,
    OPERATION_MOVES,
    RELEASE_MOVES,
    TERMINAL_BUILDS,
    TERMINAL_OPERATIONS,
    BuildState,
    MoveNotAllowedError,
    OperationState,
    ReleaseState,
    move_release,
)


@pytest.mark.parametrize(("old", "new"), list(product(ReleaseState, ReleaseState)))
def test_a_release_moves_only_where_its_table_leads(old: ReleaseState, new: ReleaseState) -> None:
    allowed = new in RELEASE_MOVES[old]

    if allowed:
        assert move_release(old, new) is new
    else:
        with pytest.raises(MoveNotAllowedError, match=f"{old} to {new}"):
            move_release(old, new)


def test_every_state_has_a_row_and_no_end_leads_anywhere() -> None:
    assert set(RELEASE_MOVES) == set(ReleaseState)
    assert set(BUILD_MOVES) == set(BuildState)
    assert set(OPERATION_MOVES) == set(OperationState)
    assert all(not BUILD_MOVES[state] for state in TERMINAL_BUILDS)
    assert all(not OPERATION_MOVES[state] for state in TERMINAL_OPERATIONS)


@pytest.mark.parametrize("state", list(ReleaseState))
def test_every_release_state_can_be_reached(state: ReleaseState) -> None:
    sources = {old for old, moves in RELEASE_MOVES.items() if state in moves}

    assert sources or state is ReleaseState.PENDING
