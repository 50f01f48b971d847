from collections.abc import Mapping

import pytest
from pydantic import BaseModel, ValidationError
from slipway_contracts.frozen import Frozen


class Share(Frozen):
    release: int
    weights: Mapping[str, int] = {}


def test_a_copy_has_the_changes_and_the_original_has_not() -> None:
    share = Share(release=1, weights={"a": 1})

    copy = share.model_copy(update={"release": 2})

    assert (copy.release, share.release) == (2, 1)
    assert copy.weights is share.weights


def test_a_copy_is_what_pydantic_makes() -> None:
    share = Share(release=1, weights={"a": 1})

    copies = [share.model_copy(), share.model_copy(update={"release": 2})]
    pydantics = [BaseModel.model_copy(share), BaseModel.model_copy(share, update={"release": 2})]

    assert copies == pydantics
    assert [copy.model_dump_json() for copy in copies] == [copy.model_dump_json() for copy in pydantics]
    assert [type(copy) for copy in copies] == [Share, Share]


def test_a_copy_is_as_frozen_as_its_original() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Share(release=1).model_copy().release = 2  # type: ignore[misc]


def test_a_deep_copy_shares_nothing() -> None:
    share = Share(release=1, weights={"a": 1})

    assert share.model_copy(deep=True).weights is not share.weights
