import pytest
from slipway_api.refusing.nearest import did_you_mean, nearest

NAMES = ("dry_run", "page_size", "release.live.v1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("dryrun", "dry_run"),
        ("DRY_RUN", "dry_run"),
        ("pagesize", "page_size"),
        ("relaese.live", "release.live.v1"),
        ("nope", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_a_name_is_meant_only_if_it_is_close(given: str, expected: str | None) -> None:
    assert nearest(given, NAMES) == expected


def test_the_name_that_is_offered_is_written_as_it_is() -> None:
    assert nearest("live", ["Live"]) == "Live"
    assert (did_you_mean("Live"), did_you_mean(None)) == ("; did you mean Live?", "")
