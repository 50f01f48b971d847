import pytest
import typer
from slipway.arguments import (
    parse_bytes,
    parse_changes,
    parse_environment,
    parse_grace,
    parse_pairs,
    parse_seconds,
    parse_shares,
    set_by_platform,
)
from slipway.documents import SecretRef


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


def test_a_change_sets_or_removes_a_name() -> None:
    assert parse_changes(["A=1", "B-", "C=", "D=x-"], option="--env") == {
        "A": "1",
        "B": None,
        "C": "",
        "D": "x-",
    }


@pytest.mark.parametrize("texts", [["A"], ["-"], ["=1"], ["A=1", "A-"]])
def test_a_change_that_is_neither_is_refused(texts: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_changes(texts, option="--env")


def test_a_variable_takes_its_value_or_a_secret_of_the_newest_or_of_one_version() -> None:
    found = parse_environment(["LANG=C"], ["URL=database-url", "KEY=api-key:3"])

    assert found == {
        "LANG": "C",
        "URL": SecretRef(secret="database-url"),  # noqa: S106 - a name
        "KEY": SecretRef(secret="api-key", version=3),  # noqa: S106 - a name
    }


@pytest.mark.parametrize(
    ("pairs", "secrets"), [(["A=1"], ["A=s"]), ([], ["A=s:x"]), ([], ["A=s:0"]), ([], ["A=:1"]), ([], ["A"])]
)
def test_a_broken_reference_or_a_variable_with_two_values_is_refused(
    pairs: list[str], secrets: list[str]
) -> None:
    with pytest.raises(typer.BadParameter):
        parse_environment(pairs, secrets)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [(["4"], [(4, 100)]), (["3=90", "4=10"], [(3, 90), (4, 10)]), (["4=100"], [(4, 100)])],
)
def test_an_alias_points_at_one_release_or_at_several_by_percent(
    texts: list[str], expected: list[tuple[int, int]]
) -> None:
    assert [(share.release, share.weight) for share in parse_shares(texts)] == expected


@pytest.mark.parametrize("texts", [["x"], ["3", "4"], ["3=90", "4=20"], ["3=x"], ["=100"]])
def test_shares_that_are_no_whole_are_refused(texts: list[str]) -> None:
    with pytest.raises(typer.BadParameter):
        parse_shares(texts)


def test_a_grace_may_be_nothing_and_a_deadline_may_not() -> None:
    assert (parse_grace("0"), parse_grace("0s"), parse_grace("2d")) == (0.0, 0.0, 172_800.0)
    with pytest.raises(typer.BadParameter):
        parse_seconds("0s")


def test_a_variable_that_the_platform_puts_together_is_told() -> None:
    assert set_by_platform(["LANG", "PATHS"]) is None
    assert "PATH is put together" in (set_by_platform(["LANG", "PATH"]) or "")
