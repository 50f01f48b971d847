"""What is said of the keys of endpoints, and which of them a name stands for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.installation_documents import Access, EndpointKey

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def make_key(identifier: str, name: str = "shop", **overrides: Any) -> EndpointKey:
    return EndpointKey(id=identifier, name=name, **overrides)


def called(*keys: EndpointKey, at: datetime = NOW) -> list[str]:
    return [key.id for key in Access(mode="keys", keys=keys).called("shop", at)]


def test_a_key_opens_until_it_is_revoked_or_expires() -> None:
    keys = (
        make_key("a"),
        make_key("b", revoked=True),
        make_key("c", expires_at=NOW),
        make_key("d", expires_at=LATER),
    )

    assert [key.id for key in Access(mode="keys", keys=keys).opening(NOW)] == ["a", "d"]


def test_a_name_stands_for_the_key_that_came_in_the_place_of_the_one_in_its_grace() -> None:
    old = make_key("old", expires_at=LATER, replaced_by="new")

    assert called(old, make_key("new")) == ["new"]
    assert called(old, make_key("new"), at=LATER) == ["new"]


def test_a_name_stands_for_the_one_in_its_grace_once_the_newer_is_revoked() -> None:
    old = make_key("old", expires_at=LATER, replaced_by="new")
    new = make_key("new", revoked=True)

    assert called(old, new) == ["old"]
    assert called(old, new, at=LATER) == []


def test_a_name_that_was_given_twice_stands_for_both() -> None:
    assert called(make_key("a"), make_key("b"), make_key("c", name="till")) == ["a", "b"]
