from slipway_standalone.patience import WITHOUT_NEWS_SECONDS, Patience

TALE = "projection: makes the tables anew, which fold 2 of an older release made: {} of 1000000 messages"


def make_patience(*, now: float = 0, longest: float = 3600) -> Patience:
    return Patience(now=now, longest=longest)


def test_a_program_that_moves_on_is_no_silent_one() -> None:
    patience = make_patience()

    for second in range(1000):
        patience.hear(TALE.format(second * 1000), now=second)

    assert not patience.is_over(999 + WITHOUT_NEWS_SECONDS)
    assert patience.is_over(999 + WITHOUT_NEWS_SECONDS + 1)


def test_a_program_that_repeats_itself_or_goes_to_and_fro_is_given_up() -> None:
    patience = make_patience()

    for second in range(100):
        patience.hear(("connection refused", "no answer within 4 s")[second % 2], now=second)

    assert patience.is_over(WITHOUT_NEWS_SECONDS + 2)


def test_a_silent_program_is_given_up() -> None:
    patience = make_patience(now=7)

    assert not patience.is_over(7 + WITHOUT_NEWS_SECONDS)
    assert patience.is_over(7 + WITHOUT_NEWS_SECONDS + 0.1)


def test_the_user_hears_nothing_of_a_quick_start_and_a_line_now_and_then_of_a_slow_one() -> None:
    patience = make_patience()

    told = [second for second in range(24) if patience.hear(TALE.format(second), now=second)]

    assert told == [10, 15, 20]


def test_the_user_hears_nothing_twice() -> None:
    patience = make_patience()

    told = [second for second in (0, 12, 20, 30) if patience.hear("NATS: waits", now=second)]

    assert told == [12]


def test_a_program_that_moves_on_without_an_end_is_given_up() -> None:
    patience = make_patience(longest=100)

    for second in range(101):
        patience.hear(TALE.format(second), now=second)

    assert not patience.is_used_up(100)
    assert patience.is_used_up(100.1)
    assert not patience.is_over(100.1)


def test_the_user_hears_nothing_twice_of_what_goes_to_and_fro() -> None:
    patience = make_patience()
    reasons = ["it does not listen yet", "no answer within 4 s"]

    told = [second for second in range(0, 60, 6) if patience.hear(reasons[second // 6 % 2], now=second)]

    assert told == [12, 18]
