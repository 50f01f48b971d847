"""When a server that says nothing counts as one that hangs."""

import pytest
from slipway_engines.supervisor.callers import UNTOLD, Waiting, waiting_of
from slipway_engines.supervisor.silence import Verdict, verdict
from slipway_engines.supervisor.socket_diag import CLOSE_WAIT, ESTABLISHED, Exchange, Socket

NOBODY = Waiting()
SOMEBODY = Waiting(seconds=1.0, possible=True)
GAVE_UP = Waiting(seconds=100.0, possible=False)


def caller(
    *, sent: int, received: int, sent_bytes: int = 100, received_bytes: int = 100, state: int = ESTABLISHED
) -> Socket:
    return Socket(state, 80, 4000, 1, Exchange(sent, received, sent_bytes, received_bytes))


@pytest.mark.parametrize("waiting", [NOBODY, SOMEBODY, UNTOLD])
def test_a_short_silence_means_nothing(waiting: Waiting) -> None:
    assert verdict([4.9], waiting, 30.0) is Verdict.WAIT


@pytest.mark.parametrize("waiting", [NOBODY, GAVE_UP])
def test_a_server_that_nobody_keeps_busy_hangs_when_a_second_question_has_no_answer_either(
    waiting: Waiting,
) -> None:
    assert verdict([5.0], waiting, 300.0) is Verdict.ASK_AGAIN
    assert verdict([9.9, 4.9], waiting, 300.0) is Verdict.WAIT
    assert verdict([10.0, 5.0], waiting, 300.0) is Verdict.HANGS


@pytest.mark.parametrize("waiting", [SOMEBODY, UNTOLD])
def test_a_server_that_may_be_busy_has_as_long_as_its_endpoint_may_take(waiting: Waiting) -> None:
    assert verdict([299.0], waiting, 300.0) is Verdict.WAIT
    assert verdict([300.0], waiting, 300.0) is Verdict.ASK_AGAIN
    assert verdict([305.0, 5.0], waiting, 300.0) is Verdict.HANGS


def test_a_caller_that_came_after_the_second_question_gives_it_the_longer_time() -> None:
    assert verdict([10.0, 5.0], SOMEBODY, 300.0) is Verdict.WAIT


def test_who_has_an_answer_does_not_wait() -> None:
    assert waiting_of([caller(sent=20_000, received=20_100)]) == NOBODY
    assert waiting_of([]) == NOBODY
    assert waiting_of([caller(sent=500, received=500, sent_bytes=0, received_bytes=0)]) == NOBODY


def test_who_asked_last_waits_since_then() -> None:
    assert waiting_of([caller(sent=90_000, received=7_000)]) == Waiting(7.0, possible=True)
    assert waiting_of([caller(sent=7_000, received=7_000, sent_bytes=0)]) == Waiting(7.0, possible=True)


def test_what_went_both_ways_within_one_tick_is_no_debt_but_may_be_one() -> None:
    assert waiting_of([caller(sent=30_000, received=30_000)]) == Waiting(0.0, possible=True)


def test_an_answer_under_way_keeps_a_server_busy() -> None:
    assert waiting_of([caller(sent=2_000, received=60_000)]) == Waiting(0.0, possible=True)


def test_who_gave_up_keeps_a_server_busy_for_a_while_that_does_not_hear_of_it() -> None:
    left, long_ago = (caller(sent=90_000, received=at, state=CLOSE_WAIT) for at in (8_000, 30_000))

    assert waiting_of([left]) == Waiting(8.0, possible=True)
    assert waiting_of([long_ago]) == Waiting(30.0, possible=False)


def test_who_left_with_an_answer_keeps_nobody_busy() -> None:
    assert waiting_of([caller(sent=1_000, received=1_100, state=CLOSE_WAIT)]) == NOBODY


def test_a_kernel_that_does_not_tell_leaves_it_possible() -> None:
    assert waiting_of([Socket(ESTABLISHED, 80, 4000, 1)]) == UNTOLD
