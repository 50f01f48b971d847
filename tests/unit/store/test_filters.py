import pytest
from slipway_store.connections import schema_name
from slipway_store.filters import Filter


def test_conditions_are_joined_and_their_values_stay_arguments() -> None:
    wanted = Filter().add("a = {}", 1).add("b < {} or c = {}", "x'; drop", 3)

    assert str(wanted) == " where a = $1 and b < $2 or c = $3"
    assert wanted.arguments == [1, "x'; drop", 3]


def test_a_condition_without_a_value_is_left_out() -> None:
    wanted = Filter().add("a = {}", None).add("b = {}", 2)

    assert str(wanted) == " where b = $1"
    assert wanted.arguments == [2]
    assert str(Filter()) == ""


@pytest.mark.parametrize("name", ["", 'x"y', "Upper", "1st", "a-b", "pg;drop", "x" * 64])
def test_a_name_that_is_no_plain_identifier_is_refused_as_a_schema(name: str) -> None:
    with pytest.raises(ValueError, match="is no schema name"):
        schema_name(name)
