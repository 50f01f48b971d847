"""When a replica counts as ready."""

import pytest
from slipway_engines.supervisor.probes import Outcome, Probe
from slipway_engines.supervisor.readiness import Readiness


def after(*outcomes: Outcome) -> Readiness:
    readiness = Readiness()
    for outcome in outcomes:
        readiness.take(Probe(outcome, f"because {outcome}"))
    return readiness


A, R, S, X, F = Outcome.ANSWERED, Outcome.REFUSED, Outcome.SILENT, Outcome.REJECTED, Outcome.FOREIGN


def test_one_answer_makes_it_ready() -> None:
    assert after(R, R, A).ready


@pytest.mark.parametrize("failure", [R, S, X])
def test_only_three_failures_in_a_row_make_it_unready(failure: Outcome) -> None:
    assert after(A, failure, failure, A, failure, failure).ready
    assert not after(A, failure, failure, failure).ready


def test_the_detail_names_the_last_failure_and_goes_with_an_answer() -> None:
    assert after(A, R, R, S).detail == "because silent"
    assert after(A, S, S, S, A).detail is None


def test_one_that_never_answered_hangs_only_if_something_takes_its_connections() -> None:
    assert after(S, S, S).hangs
    assert after(X, X, X).hangs
    assert not after(R, R, R, R).hangs
    assert not after(S, S).hangs


def test_the_pause_grows_with_the_age_of_a_starting_replica() -> None:
    starting = after(R)

    pauses = [starting.pause(age) for age in (0.0, 1.0, 2.0, 10.0, 1000.0)]

    assert pauses == [0.005, 0.005, 0.01, 0.05, 0.25]


def test_a_ready_replica_is_probed_each_second_and_sooner_after_a_failure() -> None:
    assert after(A).pause(5.0) == 1.0
    assert after(A, R).pause(5.0) == 0.25


@pytest.mark.parametrize("outcome", [S, F])
def test_a_probe_that_costs_much_is_not_repeated_at_once(outcome: Outcome) -> None:
    assert after(outcome).pause(0.0) == 0.25


def test_the_first_view_settles_when_more_probes_would_say_the_same() -> None:
    assert not after().settled
    assert after(A).settled
    assert after(R).settled
    assert not after(S).settled
    assert not after(S, S).settled
    assert after(S, S, S).settled
