"""Counting what still works."""

from slipway_gateway.draining import Drains, drains
from slipway_gateway.model import Section


def test_a_workload_in_no_route_counts_the_requests_of_all_its_clusters() -> None:
    section = Section(draining=("aaaa", "bbbb"))

    found = drains([section], {"aaaa-2": 3, "aaaa-1": 1, "cccc-1": 9})

    assert found.active == {"aaaa": 4, "bbbb": 0}
    assert found.busy


def test_a_replica_that_was_scaled_away_waits_for_the_clusters_from_before() -> None:
    section = Section(leaving=(("aaaa", "1-1", "aaaa-1"),))

    before = drains([section], {"aaaa-2": 2, "aaaa-1": 5})
    after = drains([section], {"aaaa-1": 5})

    assert before.leaving == {"aaaa/1-1": 2}
    assert after.leaving == {"aaaa/1-1": 0}
    assert not after.busy


def test_an_entry_that_is_new_since_the_switch_is_left_out_until_it_has_settled() -> None:
    counted = Drains(active={"old": 0, "new": 0}, leaving={"w/1-1": 0})

    assert counted.within(Drains(active={"old": 5})) == Drains(active={"old": 0})
