"""The lines that wait for a reader of a log: bounded by number and by bytes, sent in slices."""

import pytest
from slipway_api.streams.log_tail import Tail, slices


def tail_of(*lines: bytes, most: int = 100, size: int = 100) -> Tail:
    tail = Tail(most=most, size=size)
    for line in lines:
        tail.add(line)
    return tail


@pytest.mark.parametrize(
    ("most", "size", "kept", "cut", "full"),
    [
        (9, 100, [b"one", b"two", b"three"], False, False),
        (3, 100, [b"one", b"two", b"three"], False, True),
        (2, 100, [b"two", b"three"], False, True),
        (9, 8, [b"two", b"three"], True, True),
        (2, 5, [b"three"], True, True),
        (9, 4, [], True, True),
        (0, 100, [], False, True),
    ],
)
def test_the_last_lines_are_kept_as_far_as_number_and_bytes_allow(
    *, most: int, size: int, kept: list[bytes], cut: bool, full: bool
) -> None:
    tail = tail_of(b"one", b"two", b"three", most=most, size=size)

    assert (list(tail.lines), tail.cut, tail.full) == (kept, cut, full)


def test_a_line_that_goes_gives_its_bytes_back() -> None:
    tail = tail_of(*(b"%d" % number for number in range(10)), most=9, size=3)

    assert list(tail.lines) == [b"7", b"8", b"9"]
    assert tail.oldest == b"7"


def test_slices_hold_every_line_once_and_none_grows_beyond_a_line_more_than_64_kib() -> None:
    lines = [b"%05d" % number + b"x" * 16_000 for number in range(50)]

    made = list(slices(lines))

    assert [line for some in made for line in some] == lines
    assert max(sum(map(len, some)) for some in made) < (64 << 10) + 16_005
    assert list(slices([])) == []
