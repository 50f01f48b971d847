"""Times of many keys, as the agenda asks for them."""

from datetime import UTC, datetime, timedelta

from slipway_deployer.timing.due_times import DueTimes

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def test_what_is_due_comes_once_and_soonest_first() -> None:
    times = DueTimes[str]()
    for key, seconds in (("late", 30), ("second", 2), ("first", 1)):
        times.put(key, after(seconds))

    assert times.take(after(10)) == ["first", "second"]
    assert times.take(after(10)) == []
    assert times.first == after(30)


def test_a_key_has_the_time_it_was_given_last() -> None:
    times = DueTimes[str]()
    times.put("put off", after(1))
    times.put("put off", after(5))
    times.put("forgotten", after(1))
    times.put("forgotten", None)
    times.put("back", after(3))
    times.put("back", after(7))
    times.put("back", after(3))

    assert times.first == after(3)
    assert times.take(after(4)) == ["back"]
    assert times.take(after(60)) == ["put off"]
    assert times.first is None


def test_a_key_that_is_put_off_for_ever_takes_no_more_room() -> None:
    times = DueTimes[str]()

    for second in range(100_000):
        times.put("put off", after(1000 + second))

    assert len(times._heap) < 1000
    assert times.take(after(101_000)) == ["put off"]
