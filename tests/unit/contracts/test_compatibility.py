"""What counts as a break: whatever a reader or a sender of yesterday would stumble over."""

from typing import Any, Literal

import pytest
from pydantic import BaseModel, create_model
from slipway_contracts.compatibility import breaks, fields_of


class Inner(BaseModel):
    name: str
    size: int = 0


class InnerWithRoom(Inner):
    room: int | None = None


class InnerWithDuty(Inner):
    duty: str


def model(**fields: Any) -> BaseModel:
    return create_model("Kind", **fields)  # type: ignore[no-any-return]


BEFORE: dict[str, Any] = {
    "id": (str, ...),
    "count": (int, 1),
    "word": (Literal["a", "b"], ...),
    "inner": (Inner, Inner(name="x")),
    "many": (tuple[Inner, ...], ()),
    "named": (dict[str, Inner], {}),
    "maybe": (Inner | None, None),
}
HARMLESS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "an optional field": {"new": (str | None, None)},
    "an optional object with fields of its own": {"new": (Inner | None, None)},
    "an optional list of words": {"new": (tuple[Literal["x", "y"], ...], ())},
    "another word": {"word": (Literal["a", "b", "c"], ...)},
    "an optional field inside": {"inner": (InnerWithRoom, InnerWithRoom(name="x"))},
    "an optional field inside a list": {"many": (tuple[InnerWithRoom, ...], ())},
    "an optional field inside a map": {"named": (dict[str, InnerWithRoom], {})},
    "an optional field inside what may be null": {"maybe": (InnerWithRoom | None, None)},
}
BREAKING: dict[str, tuple[dict[str, Any], str]] = {
    "a required field": ({"new": (str, ...)}, "/new is new and may not be absent"),
    "another type": ({"id": (int, ...)}, "/id was"),
    "a field that must be there now": ({"count": (int, ...)}, "/count was"),
    "a field that may be absent now": ({"id": (str, "")}, "/id was"),
    "another default": ({"count": (int, 2)}, "/count was"),
    "a word less": ({"word": (Literal["a"], ...)}, "/word=b is gone"),
    "words where all was free": ({"id": (Literal["a"], ...)}, "/id was"),
    "null": ({"id": (str | None, ...)}, "/id was"),
    "a required field inside": ({"inner": (InnerWithDuty, ...)}, "/inner/duty is new"),
    "a required field inside a list": ({"many": (tuple[InnerWithDuty, ...], ())}, "/many/*/duty is new"),
    "a required field inside a map": ({"named": (dict[str, InnerWithDuty], {})}, "/named/*/duty is new"),
    "a required field inside what may be null": (
        {"maybe": (InnerWithDuty | None, None)},
        "/maybe/duty is new",
    ),
}


def after(fields: dict[str, Any]) -> list[str]:
    old, new = (model(**each).model_json_schema() for each in (BEFORE, BEFORE | fields))
    return breaks(fields_of(old), fields_of(new))


@pytest.mark.parametrize("fields", HARMLESS.values(), ids=HARMLESS)
def test_what_may_be_absent_breaks_nothing(fields: dict[str, Any]) -> None:
    assert after(fields) == []


@pytest.mark.parametrize(("fields", "told"), BREAKING.values(), ids=BREAKING)
def test_a_break_is_told_by_the_field(fields: dict[str, Any], told: str) -> None:
    assert any(line.startswith(told) for line in after(fields)), after(fields)


@pytest.mark.parametrize("name", BEFORE)
def test_a_field_that_is_gone_is_told(name: str) -> None:
    old = fields_of(model(**BEFORE).model_json_schema())
    new = fields_of(model(**{key: each for key, each in BEFORE.items() if key != name}).model_json_schema())

    assert f"/{name} is gone" in breaks(old, new)


def test_remarks_may_change() -> None:
    old = model(**BEFORE).model_json_schema()
    new = old | {"title": "Other", "description": "Other", "examples": [1]}

    assert fields_of(old) == fields_of(new)
