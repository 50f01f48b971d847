"""The picture and the table of the lifecycle are those of the code."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

import pytest
from slipway_contracts.deployment_settings import DEFAULT_STOP_DEADLINE_SECONDS
from slipway_contracts.lifecycle import (
    BUILD_MOVES,
    OPERATION_MOVES,
    RELEASE_MOVES,
    BuildState,
    DeploymentState,
    OperationState,
    ReleaseState,
)
from slipway_contracts.release import DEFAULT_DEADLINE_SECONDS

S = TypeVar("S", bound=StrEnum)
DOCUMENT = (Path(__file__).parents[3] / "docs" / "lifecycle.md").read_text()


def _words(moves: Mapping[S, frozenset[S]]) -> dict[str, set[str]]:
    return {old.value: {new.value for new in news} for old, news in moves.items()}


MOVES = {
    "release": _words(RELEASE_MOVES),
    "build": _words(BUILD_MOVES),
    "operation": _words(OPERATION_MOVES),
}
STATES: Mapping[str, type[StrEnum]] = {
    "release": ReleaseState,
    "build": BuildState,
    "operation": OperationState,
    "deployment": DeploymentState,
}
TRANSIENT = {
    "release": {"PENDING", "STARTING", "READY", "DRAINING"},
    "build": {"QUEUED", "RUNNING"},
    "operation": {"PENDING", "RUNNING"},
    "deployment": {"DEPLOYING", "STOPPING", "DELETING", "PURGING"},
}


def arrows(record: str) -> list[tuple[str, str]]:
    """Return the arrows of a picture, without those from and to its ends."""
    picture = re.search(rf"^{record.title()}:\n\n```mermaid\n(.*?)```", DOCUMENT, re.DOTALL | re.MULTILINE)
    assert picture is not None
    return re.findall(r"^  ([A-Z]+) --> ([A-Z]+)", picture[1], re.MULTILINE)


def rows(record: str) -> dict[str, tuple[list[str], str, str]]:
    """Return what follows, the deadline and who owes it, by state."""
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in DOCUMENT.splitlines() if "|" in line
    ]
    return {
        state: ([each for each in follows.split(", ") if each], deadline, owner)
        for kind, state, _, follows, deadline, owner in cells
        if kind == record
    }


@pytest.mark.parametrize("record", MOVES)
def test_the_picture_has_exactly_the_moves_of_the_code(record: str) -> None:
    drawn = arrows(record)

    assert len(set(drawn)) == len(drawn)
    assert set(drawn) == {(old, new) for old, news in MOVES[record].items() for new in news}


def test_the_picture_of_deployments_has_every_state() -> None:
    assert {state for arrow in arrows("deployment") for state in arrow} == set(DeploymentState)


@pytest.mark.parametrize("record", STATES)
def test_the_table_has_every_state_and_no_other(record: str) -> None:
    assert list(rows(record)) == [state.value for state in STATES[record]]


@pytest.mark.parametrize("record", MOVES)
def test_the_table_says_what_may_follow(record: str) -> None:
    told = {state: set(follows) for state, (follows, _, _) in rows(record).items()}

    assert told == MOVES[record]


@pytest.mark.parametrize("record", STATES)
def test_what_has_to_end_has_a_deadline_and_somebody_who_owes_it(record: str) -> None:
    with_deadline = {state for state, (_, deadline, _) in rows(record).items() if deadline}
    with_owner = {state for state, (_, _, owner) in rows(record).items() if owner}

    assert with_deadline == with_owner == TRANSIENT[record]


def test_the_table_names_the_deadlines_of_the_code() -> None:
    assert rows("release")["STARTING"][1] == f"`deadline_seconds`, {DEFAULT_DEADLINE_SECONDS:g} s"
    assert (
        rows("deployment")["STOPPING"][1] == f"`stop_deadline_seconds`, {DEFAULT_STOP_DEADLINE_SECONDS:g} s"
    )


@pytest.mark.parametrize("drawn", arrows("deployment"))
def test_the_picture_of_deployments_agrees_with_its_table(drawn: tuple[str, str]) -> None:
    old, new = drawn

    assert new in rows("deployment")[old][0]
