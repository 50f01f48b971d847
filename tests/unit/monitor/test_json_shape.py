"""Which answers have the shape that a smoke test asks for."""

import pytest
from pydantic import JsonValue
from slipway_monitor.json_shape import misfit

PREDICTION: JsonValue = {"labels": ["cat"], "scores": [0.9], "model": {"name": "m", "version": 3}}


@pytest.mark.parametrize(
    ("shape", "answer"),
    [
        (PREDICTION, PREDICTION),
        (PREDICTION, {"labels": [], "scores": [1, 0.5], "model": {"name": "", "version": 0.5}, "more": 1}),
        ({}, {"anything": 1}),
        ([], [1, "two", None]),
        ([{"id": 1}], [{"id": 2}, {"id": 3, "name": "x"}]),
        ({"any": None}, {"any": [1]}),
        (None, "whatever"),
        ("text", "another"),
        (True, False),
        (1, 2.5),
    ],
)
def test_the_same_members_and_items_of_the_same_types_fit(shape: JsonValue, answer: JsonValue) -> None:
    assert misfit(shape, answer) is None


@pytest.mark.parametrize(
    ("shape", "answer", "problem"),
    [
        (PREDICTION, [], "the answer is a list, expected an object"),
        ({"labels": ["cat"]}, {}, '"labels" of the answer is missing'),
        ({"labels": ["cat"]}, {"labels": "cat"}, '"labels" of the answer is a string, expected a list'),
        (
            {"labels": ["cat"]},
            {"labels": ["cat", 5]},
            'item 1 of "labels" of the answer is a number, expected a string',
        ),
        (
            {"model": {"name": "m"}},
            {"model": {"name": None}},
            '"name" of "model" of the answer is null, expected a string',
        ),
        (1, True, "the answer is a boolean, expected a number"),
        (True, 1, "the answer is a number, expected a boolean"),
        ([[1]], [[1], [[]]], "item 0 of item 1 of the answer is a list, expected a number"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(shape: JsonValue, answer: JsonValue, problem: str) -> None:
    assert misfit(shape, answer) == problem
