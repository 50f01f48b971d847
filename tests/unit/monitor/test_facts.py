"""What becomes of a smoke test's result while the replica's record goes on."""

from datetime import UTC, datetime, timedelta
from typing import Any

from slipway_contracts.replica import ReplicaFact, ReplicaState, SmokeResult
from slipway_contracts.workload import ReplicaRef, WorkloadRef
from slipway_engines.engine import ReplicaObserved
from slipway_monitor.facts import fact_of, smoke_tested

AT = datetime(2026, 1, 1, tzinfo=UTC)
PASSED = SmokeResult(passed=True, message="GET / answered 200 in 0.01 s.", seconds=0.01, status=200)
REF = ReplicaRef(workload=WorkloadRef(group="g", deployment="d", id="0" * 16), id="0-1")


def seen(state: ReplicaState, **details: Any) -> ReplicaObserved:
    known: dict[str, Any] = {"pid": 7, "started_at": AT, **details}
    return ReplicaObserved(ref=REF, endpoint="e", state=state, at=AT, **known)


def fact(seen_now: ReplicaObserved, known: ReplicaFact | None, *, epoch: int = 1) -> ReplicaFact:
    found = fact_of(seen_now, known, target="local", epoch=epoch)
    assert found is not None
    return found


def replica_that_passed() -> ReplicaFact:
    return smoke_tested(fact(seen(ReplicaState.READY), None), PASSED, epoch=1, at=AT + timedelta(seconds=1))


def test_a_result_is_the_next_transition_of_the_same_fact() -> None:
    known = replica_that_passed()

    assert (known.state, known.transition, known.smoke) == (ReplicaState.READY, 2, PASSED)
    assert known.at == AT + timedelta(seconds=1)


def test_a_repeat_of_what_was_seen_is_no_news_after_the_test_either() -> None:
    assert fact_of(seen(ReplicaState.READY), replica_that_passed(), target="local", epoch=1) is None


def test_the_next_monitor_takes_the_result_over() -> None:
    assert fact(seen(ReplicaState.READY), replica_that_passed(), epoch=2).smoke == PASSED


def test_a_process_keeps_its_result_while_it_comes_and_goes() -> None:
    unready = fact(seen(ReplicaState.UNREADY, detail="because"), replica_that_passed())

    assert unready.smoke == PASSED
    assert fact(seen(ReplicaState.READY), unready).smoke == PASSED


def test_another_process_has_not_been_tested() -> None:
    assert fact(seen(ReplicaState.READY, pid=8), replica_that_passed()).smoke is None
    assert (
        fact(seen(ReplicaState.READY, started_at=AT + timedelta(hours=1)), replica_that_passed()).smoke
        is None
    )
