from datetime import UTC, datetime, timedelta
from typing import Any

from slipway.comparison_documents import HistoryEntry
from slipway.returning import spoken_return

BEGAN = datetime(2026, 1, 31, tzinfo=UTC)


def entry(release: int, **members: Any) -> HistoryEntry:
    shown: dict[str, Any] = {
        "release": release,
        "cause": "deploy",
        "outcome": "RETIRED",
        "user": "admin",
        "replicas": 1,
        "group": "default",
        "target": "local",
        "alias": "live",
        "created_at": BEGAN,
        "live_at": BEGAN + timedelta(minutes=release),
    }
    return HistoryEntry.model_validate(shown | members)


def again(*words: str) -> str:
    return " ".join(("slipway rollback digits", *words))


def test_it_says_what_runs_where_it_came_from_and_how_to_go_further() -> None:
    history = [entry(4, copy_of=2), entry(3), entry(2), entry(1)]

    assert spoken_return(history, 4, again=again).splitlines() == [
        "Release 4 runs now, an exact copy of release 2. Before it, release 3 did.",
        "To undo this: slipway rollback digits",
        "To go further back: slipway rollback digits --to 1",
    ]


def test_the_second_of_two_says_that_it_came_from_the_first() -> None:
    history = [entry(4, copy_of=2), entry(3, copy_of=1), entry(2), entry(1)]

    assert "an exact copy of release 2. Before it, release 3 did." in spoken_return(history, 4, again=again)


def test_releases_of_other_aliases_that_never_served_or_cannot_run_are_not_offered() -> None:
    history = [
        entry(7, copy_of=5, alias="canary"),
        entry(6, alias="canary"),
        entry(5, alias="canary"),
        entry(4),
        entry(3, alias="canary", live_at=None),
        entry(2, alias="canary", restorable=False),
        entry(1, alias="canary"),
    ]

    assert spoken_return(history, 7, again=again).splitlines() == [
        "Release 7 runs now, an exact copy of release 5. Before it, release 6 did.",
        "To undo this: slipway rollback digits --alias canary",
        "To go further back: slipway rollback digits --to 1 --alias canary",
    ]


def test_of_the_first_release_there_is_nothing_further_back() -> None:
    history = [entry(3, copy_of=1), entry(2), entry(1)]

    assert "further back" not in spoken_return(history, 3, again=again)
