"""What a reader of the event stream gets, and how an event looks on the wire."""

import json
from typing import Any

import pytest
from slipway_api.streams.event_stream import as_cloudevents
from slipway_api.streams.interest import PermittedInterest
from slipway_chassis.feed import Entry
from slipway_chassis.stored import Stored
from slipway_contracts.envelope import now


def make_entry(
    type_name: str = "release.live.v1", subject: str = "slipway.g.d.evt.x", **overrides: Any
) -> Entry:
    values: dict[str, Any] = {
        "subject": subject,
        "sequence": 7,
        "time": now(),
        "headers": {
            "ce-specversion": "1.0",
            "ce-id": "1",
            "ce-type": f"dev.slipway.{type_name}",
            "ce-source": "/slipway/deployer",
            "ce-subject": "g/d",
            "ce-time": "2026-01-01T00:00:00Z",
        },
        "data": b'{"type": "x"}',
    }
    return Entry(Stored(**(values | overrides)))


@pytest.mark.parametrize(
    ("types", "type_name", "wanted"),
    [
        ((), "release.live.v1", True),
        ((), "desired.v1", False),
        ((), "desired.v2", False),
        ((), "request.refused.v2", False),
        (("desired",), "desired.v1", True),
        (("desired.v1",), "desired.v1", True),
        (("release",), "release.live.v1", True),
        (("release.live",), "release.live.v1", True),
        (("release.live.v1",), "release.live.v1", True),
        (("rel",), "release.live.v1", False),
        (("release.liv",), "release.live.v1", False),
        (("build", "release"), "release.live.v1", True),
        (("build",), "release.live.v1", False),
    ],
)
def test_types_are_cut_at_dots(types: tuple[str, ...], type_name: str, wanted: bool) -> None:
    assert PermittedInterest(types=types).covers(make_entry(type_name)) is wanted


@pytest.mark.parametrize(
    ("interest", "subject", "type_name", "wanted"),
    [
        (PermittedInterest(), "slipway._._.evt.key.configured", "key.configured.v1", True),
        (
            PermittedInterest(groups=frozenset({"g"})),
            "slipway._._.evt.key.configured",
            "key.configured.v1",
            False,
        ),
        (
            PermittedInterest(types=("request",)),
            "slipway._._.evt.request.refused",
            "request.refused.v2",
            False,
        ),
        (PermittedInterest(groups=frozenset({"g"})), "slipway._._.evt.target.lost", "target.lost.v1", True),
        (PermittedInterest(groups=frozenset({"g"})), "slipway.g.d.evt.x", "release.live.v1", True),
        (PermittedInterest(groups=frozenset({"g"})), "slipway.h.d.evt.x", "release.live.v1", False),
        (PermittedInterest(groups=frozenset()), "slipway.h.target.evt.x", "release.live.v1", False),
        (PermittedInterest(group="g"), "slipway.h.d.evt.x", "release.live.v1", False),
        (PermittedInterest(group="g"), "slipway._._.evt.target.lost", "target.lost.v1", False),
        (PermittedInterest(deployment="d"), "slipway.g.d.evt.x", "release.live.v1", True),
        (PermittedInterest(deployment="d"), "slipway.g.e.evt.x", "release.live.v1", False),
    ],
)
def test_a_reader_gets_what_its_key_may_see_and_its_filter_names(
    interest: PermittedInterest, subject: str, type_name: str, wanted: bool
) -> None:
    assert interest.covers(make_entry(type_name, subject)) is wanted


def test_a_line_break_in_a_body_does_not_break_the_stream() -> None:
    entry = make_entry(data=b'{\r\n  "type": "x"\n}')

    lines = as_cloudevents([entry]).split(b"\n")

    assert lines[0] == b"id: 7"
    assert lines[1] == b"event: release.live.v1"
    assert lines[3:] == [b"", b""]
    document = json.loads(lines[2].removeprefix(b"data: "))
    assert document["data"] == {"type": "x"}
    assert document["sequence"] == "7"
    assert "causationid" not in document


def test_the_filter_of_the_log_is_as_narrow_as_the_interest() -> None:
    assert PermittedInterest(group="g").subject == "slipway.g.*.>"
    assert PermittedInterest(deployment="d").subject == "slipway.*.d.>"
