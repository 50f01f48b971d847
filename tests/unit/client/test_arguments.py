from datetime import UTC, datetime, timedelta, timezone

import pytest
import typer
from slipway.arguments import (
    parse_bytes,
    parse_changes,
    parse_environment,
    parse_grace,
    parse_moment,
    parse_pairs,
    parse_position,
    parse_replica,
    parse_seconds,
    parse_shares,
    set_by_platform,
)
from slipway.documents import SecretRef
from slipway.rendering import spoken_time


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


@pytest.mark.parametrize(
    ("text", "release", "expected"),
    [
        (None, None, (None, None)),
        (None, 7, (7, None)),
        ("0-1", None, (None, "0-1")),
        ("0", 7, (7, "0")),
        ("7/0-1", None, (7, "0-1")),
        ("7/0", 7, (7, "0")),
    ],
)
def test_a_replica_is_named_alone_or_with_its_release(
    text: str | None, release: int | None, expected: tuple[int | None, str | None]
) -> None:
    assert parse_replica(text, release) == expected


@pytest.mark.parametrize("text", ["", "/", "7/", "/0-1", "x/0-1", "0_1", "7/0/1"])
def test_what_is_no_replica_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="7/0-1"):
        parse_replica(text)


def test_a_replica_of_another_release_than_that_asked_for_is_refused() -> None:
    with pytest.raises(typer.BadParameter, match="not of release 8"):
        parse_replica("7/0-1", 8)


SECOND = datetime(2026, 1, 31, 12, 0, 7, 250_000, tzinfo=timezone(timedelta(hours=2)))


def test_a_time_that_was_shown_can_be_given_and_covers_its_second() -> None:
    assert spoken_time(SECOND) == "2026-01-31T10:00:07Z"
    assert datetime.fromisoformat(parse_position(spoken_time(SECOND))) >= SECOND
    assert parse_position("2026-01-31 10:00:07Z") == "2026-01-31T10:00:07.999999+00:00"


def test_a_time_with_a_fraction_or_of_now_is_taken_as_it_is() -> None:
    now = datetime.now(UTC).replace(microsecond=0)

    assert parse_position("2026-01-31T12:00:07.25+02:00") == "2026-01-31T10:00:07.250000+00:00"
    assert datetime.fromisoformat(parse_position(spoken_time(now))) <= datetime.now(UTC)


def test_a_position_is_a_sequence_or_so_long_ago() -> None:
    before = datetime.now(UTC)

    assert parse_position("42") == "42"
    assert before - timedelta(minutes=10) <= datetime.fromisoformat(parse_position("10m")) <= before
    with pytest.raises(typer.BadParameter, match="write it as 42, 10m or 2026-01-31T12:00:00Z"):
        parse_position("yesterday")


BEYOND_THE_CALENDAR = [
    *("1000000d", "99999999999999d", "9" * 400),
    *("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"),
]


@pytest.mark.parametrize("text", BEYOND_THE_CALENDAR)
def test_a_moment_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time; write it as 10m"):
        parse_moment(text)


@pytest.mark.parametrize("text", [text for text in BEYOND_THE_CALENDAR if not text.isdigit()])
def test_a_position_beyond_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="neither a sequence of the log nor a time"):
        parse_position(text)


@pytest.mark.parametrize("unit", ["", "d"])
def test_an_amount_too_large_for_any_number_is_refused(unit: str) -> None:
    for parse in (parse_seconds, parse_grace):
        with pytest.raises(typer.BadParameter, match="no duration"):
            parse("9" * 400 + unit)
    with pytest.raises(typer.BadParameter, match="no amount of memory"):
        parse_bytes("9" * 400)
