"""Credentials in lines that users read."""

import pytest
from slipway_builder.installing.masking import Mask


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("error: https://ada:lovelace@host/simple/", "error: https://****@host/simple/"),
        ("https://token@a/ and http://u:p@q@b:80/x@y", "https://****@a/ and http://****@b:80/x@y"),
        ("https://host/simple/@scope numpy @ https://x/y", "https://host/simple/@scope numpy @ https://x/y"),
    ],
)
def test_user_and_password_of_a_url_are_masked(line: str, masked: str) -> None:
    assert Mask({})(line) == masked


def test_the_values_of_secret_variables_are_masked_wherever_they_appear() -> None:
    mask = Mask(
        {
            "UV_INDEX_A_PASSWORD": "one.two",
            "UV_INDEX_B_PASSWORD": "one.two.three",
            "UV_token": "four",
            "UV_SECRET_EMPTY": "",
            "UV_INDEX_URL": "index",
        }
    )

    assert mask("one.two.three/one.two/four at index; onextwo") == "****/****/**** at index; onextwo"
