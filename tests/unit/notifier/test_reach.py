"""Which hosts tell that the way to others is open."""

from slipway_notifier.reach import Reach


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_host_is_no_evidence_for_itself_and_another_one_is_for_a_while() -> None:
    clock = Clock()
    reach = Reach(clock=clock)

    reach.note("one.example", "8.8.8.8")

    assert not reach.is_open_beside("one.example", "internet")
    assert reach.is_open_beside("two.example", "internet")
    clock.now += 601
    assert not reach.is_open_beside("two.example", "internet")


def test_receivers_on_this_machine_or_network_say_nothing_about_the_internet() -> None:
    reach = Reach()

    reach.note("localhost", "127.0.0.1")
    reach.note("inside.example", "10.1.2.3")

    assert not reach.is_open_beside("two.example", "internet")
    assert reach.is_open_beside("two.example", "network")
    assert reach.is_open_beside("two.example", "machine")


def test_it_remembers_a_bounded_number_of_hosts_the_newest() -> None:
    reach = Reach()

    for number in range(2000):
        reach.note(f"{number}.example", "8.8.8.8" if number == 0 else "10.1.2.3")

    assert not reach.is_open_beside("two.example", "internet")
    assert len(reach._reached) == 1000
