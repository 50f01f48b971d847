"""Which problem a request is answered with when the log fails it half-way."""

import pytest
from fastapi import Request
from slipway_api.refusing.failures import problem_of
from slipway_api.submitting.origins import current_given, request_in_hand
from slipway_chassis.errors import LogUnavailableError


@pytest.mark.parametrize(
    ("messages", "outcome", "says"),
    [
        ({}, "nothing", "Nothing was changed"),
        ({"first": True}, "stored", "The log has what the request asked for"),
        ({"first": False}, "unknown", "not known whether"),
        ({"first": True, "second": False}, "unknown", "not known whether"),
    ],
)
def test_a_failure_of_the_log_says_what_became_of_the_change(
    messages: dict[str, bool], outcome: str, says: str
) -> None:
    scope = {"type": "http", "state": {}}
    with request_in_hand(scope):
        given = current_given()
        assert given is not None
        for message, confirmed in messages.items():
            given.note(message, confirmed=confirmed)

        problem = problem_of(LogUnavailableError("gone"), Request(scope))

    assert problem.reason() == "LogUnavailable"
    assert problem.members["outcome"] == outcome
    assert says in problem.detail
