import io
import json
from typing import Any

import pytest
from slipway.comparison_documents import Plan
from slipway.documents import Accepted, Alias, parsed
from slipway.invocation import Invocation
from slipway.plans import show_plan, spoken_value
from slipway.rendering import spoken_binary, spoken_shares
from slipway.results import end_document
from slipway.terminal import Terminal
from slipway.tracking import Outcome

PLAN: dict[str, Any] = {
    "kinds": ["redeploy"],
    "group": "default",
    "deployment": "digits",
    "request": {"alias": "live"},
    "compared_with": 3,
    "changes": [
        {"field": "replicas", "before": 1, "after": 2},
        {"field": "environment.LANG", "before": "C", "after": None},
    ],
    "steps": [
        {"action": "start", "detail": "Start 2 replicas of endpoint predict on local.", "release": None}
    ],
    "surge": {"deployments": 0, "replicas": 2, "cpu": 2.0, "memory_bytes": 2 << 30, "gpu": 0},
    "downtime": None,
    "notices": ["No monitor watches target local now."],
}


def shown(document: dict[str, Any]) -> str:
    out = io.StringIO()
    invocation = Invocation()
    vars(invocation)["terminal"] = Terminal(out=out, err=out)
    show_plan(invocation, parsed(Plan, document))
    return out.getvalue()


def test_a_plan_says_what_happens_what_differs_what_it_needs_and_what_to_know() -> None:
    said = shown(PLAN)

    for text in (
        "redeploy of digits would be accepted",
        "Start 2 replicas of endpoint predict on local.",
        "Compared with release 3",
        "environment.LANG  C       -",
        "2 replicas, 2 cpu, 2Gi memory",
        "downtime           none",
        "! No monitor watches target local now.",
        "Nothing was changed.",
    ):
        assert text in said


def test_a_plan_in_place_names_its_downtime() -> None:
    assert "until the new replicas are ready" in shown(
        PLAN | {"downtime": "until the new replicas are ready"}
    )


def test_a_plan_of_what_makes_no_release_says_nothing_of_a_downtime() -> None:
    said = shown({"kinds": ["configure"], "group": "default", "deployment": "digits", "request": None})

    assert "downtime" not in said


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ""), ("", ""), ({}, ""), (False, "no"), (0, "0"), ({"a": 1}, '{"a": 1}'), ([1], "[1]")],
)
def test_values_are_told_as_they_are_and_nothing_where_there_is_none(value: Any, expected: str) -> None:
    assert spoken_value(value) == expected


@pytest.mark.parametrize(
    ("size", "expected"), [(0, "0"), (256 << 20, "256Mi"), (3 << 29, "1.5Gi"), (1 << 40, "1Ti")]
)
def test_memory_is_told_as_it_is_given_to_options(size: int, expected: str) -> None:
    assert spoken_binary(size) == expected


def test_an_alias_on_its_way_says_from_where_to_where() -> None:
    shares = [{"release": 3, "weight": 90}, {"release": 4, "weight": 10}]
    alias = parsed(
        Alias, {"alias": "live", "url": "u", "shares": shares, "moving_to": [{"release": 5, "weight": 100}]}
    )

    assert spoken_shares(alias) == "3=90 4=10 -> 5"


def test_the_json_of_an_end_is_what_the_api_accepted_as_of_the_end() -> None:
    operation = {"id": "op", "kind": "deploy", "state": "PENDING", "deployment": "digits", "ended_at": None}
    accepted = parsed(
        Accepted, {"operation": operation, "deployment": "digits", "sequence": 4, "token": "t", "build": None}
    )
    outcome = Outcome(operation="op", state="SUCCEEDED", sequence=9, release=2, version="v1", at="then")

    document = json.loads(json.dumps(end_document(accepted, outcome)))

    assert document["deployment"] == "digits"
    assert document["operation"] | {"superseded_by": None} == document["operation"]
    assert [document["operation"][name] for name in ("id", "state", "release", "ended_at")] == [
        *("op", "SUCCEEDED", 2, "then")
    ]
    assert [document[name] for name in ("sequence", "state", "version", "token")] == [
        9,
        "SUCCEEDED",
        "v1",
        "t",
    ]
