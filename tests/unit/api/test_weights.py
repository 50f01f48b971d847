"""Parts of an alias always make a whole, and keep their proportions as well as whole percents can."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from slipway_api.commands.weights import beside, heaviest, in_place_of
from slipway_contracts.traffic import FULL_WEIGHT, TrafficShare


def shares(*weights: int) -> tuple[TrafficShare, ...]:
    return tuple(TrafficShare(release=number, weight=each) for number, each in enumerate(weights, 1))


@st.composite
def whole(draw: st.DrawFn) -> tuple[TrafficShare, ...]:
    cuts = sorted(draw(st.sets(st.integers(1, FULL_WEIGHT - 1), max_size=20)))
    edges = [0, *cuts, FULL_WEIGHT]
    return shares(*(end - begin for begin, end in pairwise(edges)))


@given(shares=whole(), weight=st.integers(1, FULL_WEIGHT))
def test_a_new_part_and_the_scaled_others_are_always_a_whole(
    shares: tuple[TrafficShare, ...], weight: int
) -> None:
    others = beside(shares, weight)

    assert weight + sum(share.weight for share in others) == FULL_WEIGHT
    assert {share.release for share in others} <= {share.release for share in shares}
    assert all(share.weight >= 1 for share in others)


def test_what_another_release_leaves_is_shared_in_the_proportions_of_before() -> None:
    assert [share.weight for share in beside(shares(60, 40), 50)] == [30, 20]
    assert [share.weight for share in beside(shares(100), 10)] == [90]
    assert beside(shares(60, 40), 100) == ()
    assert [share.release for share in beside(shares(60, 40), 99)] == [1]


def test_a_release_takes_the_place_of_another_with_its_part() -> None:
    assert in_place_of(shares(60, 40), 2) == (40, (TrafficShare(release=1, weight=60),))
    assert in_place_of(shares(60, 40), 9) == (100, ())
    assert in_place_of((), None) == (100, ())


def test_of_equal_parts_the_newest_is_the_heaviest() -> None:
    assert heaviest(shares(50, 50)) == 2
    assert heaviest(shares(60, 40)) == 1
    assert heaviest(()) is None
