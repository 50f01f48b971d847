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


def test_what_served_under_another_name_meanwhile_is_not_what_served_before() -> None:
    hour = timedelta(hours=1)
    made = entry(8, copy_of=6, outcome="LIVE", created_at=BEGAN + 5 * hour, live_at=BEGAN + 5 * hour)
    served = entry(7, ended_at=BEGAN + 6 * hour)
    over = entry(5, live_at=BEGAN + 2 * hour, ended_at=BEGAN + 3 * hour)
    elsewhere = entry(4, live_at=BEGAN + 4 * hour, outcome="LIVE")

    assert "Before it, release 7 did." in spoken_return([made, served, entry(6), over], 8, again=again)
    assert "Before it, release 7 did." in spoken_return([made, served, elsewhere], 8, again=again)
    assert "Before it, release 4 did." in spoken_return([made, elsewhere], 8, again=again)
