import pytest
import typer
from slipway.arguments import parse_bytes, parse_pairs, parse_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1048576", 1 << 20),
        ("512M", 512 * 10**6),
        ("512Mi", 512 << 20),
        ("1.5GiB", 3 << 29),
        ("2 gb", 2 * 10**9),
    ],
)
def test_sizes_read_decimal_and_binary_units(text: str, expected: int) -> None:
    assert parse_bytes(text) == expected


@pytest.mark.parametrize("text", ["", "0", "x", "-1", "5 parsecs", "1e9"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="512Mi"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("30", 30), ("30s", 30), ("1.5m", 90), ("2h", 7200), ("250ms", 0.25)]
)
def test_durations_read_units(text: str, expected: float) -> None:
    assert parse_seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0s", "soon", "-3s"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="30s"):
        parse_seconds(text)


def test_a_value_may_hold_an_equals_sign_and_may_be_empty() -> None:
    assert parse_pairs(["A=b=c", "EMPTY="], option="--env") == {"A": "b=c", "EMPTY": ""}


def test_no_pairs_mean_nothing_was_said() -> None:
    assert parse_pairs([], option="--env") is None


@pytest.mark.parametrize("texts", [["A"], ["=x"], ["A=1", "A=2"]])
def test_a_broken_or_repeated_pair_is_refused(texts: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_pairs(texts, option="--env")
