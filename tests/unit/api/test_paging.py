"""Page tokens and pages."""

import pytest
from slipway_api.reading.paging import Cut, decode, encode, page
from slipway_api.refusing import problems


@pytest.mark.parametrize("key", [("default", "digits"), (42,), (-(1 << 63) + 1,), ("ä/+", 'quo"te')])
def test_a_token_gives_back_its_key(key: tuple[str | int, ...]) -> None:
    assert decode(encode(key), *(type(part) for part in key)) == key


@pytest.mark.parametrize("token", ["", "x", "!!", encode(("a",)), encode((1, 2)), encode((True,))])
def test_a_token_of_another_list_is_refused(token: str) -> None:
    with pytest.raises(problems.InvalidRequestError):
        decode(token, int)


@pytest.mark.parametrize("part", [1 << 64, "a\x00", "\ud800"])
def test_a_token_of_what_no_row_can_have_is_refused(part: str | int) -> None:
    with pytest.raises(problems.InvalidRequestError):
        decode(encode((part,)), type(part))


async def test_the_last_page_has_no_token() -> None:
    rows = list(range(5))

    async def fetch(limit: int) -> list[int]:
        return rows[:limit]

    whole = await page(fetch, Cut(size=5, token=None), key=lambda row: (row,), view=str)
    part = await page(fetch, Cut(size=4, token=None), key=lambda row: (row,), view=str)

    assert (whole.items, whole.next_page_token) == (["0", "1", "2", "3", "4"], None)
    assert part.items == ["0", "1", "2", "3"]
    assert decode(part.next_page_token, int) == (3,)
