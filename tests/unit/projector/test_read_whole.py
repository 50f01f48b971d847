from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from slipway_chassis.event_log import CaughtUp
from slipway_chassis.stored import Stored
from slipway_projector.logged import Logged, read_whole

STORED_AT = datetime(2026, 2, 2, tzinfo=UTC)


def stored(sequence: int, batch: str | None = None, *, commit: bool = False) -> Stored:
    """Return a message; where it names a batch, one of that batch."""
    headers = {} if batch is None else {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": "1"}
    if commit:
        headers["Nats-Batch-Commit"] = "1"
    return Stored(subject="slipway.g.d.x", sequence=sequence, time=STORED_AT, headers=headers, data=b"{}")


async def read(*items: Stored | CaughtUp) -> list[list[int | str]]:
    """Return what is read at once: sequences, and where the log was caught up with."""

    async def source() -> AsyncGenerator[Stored | CaughtUp]:
        for item in items:
            yield item

    return [
        [each.sequence if isinstance(each, Logged) else "caught up" for each in together]
        async for together in read_whole(source())
    ]


async def test_a_message_of_no_batch_stands_alone() -> None:
    assert await read(stored(1), stored(2)) == [[1], [2]]


async def test_messages_of_a_batch_come_at_once() -> None:
    batch = stored(2, "a"), stored(3, "a"), stored(4, "a", commit=True)

    assert await read(stored(1), *batch, stored(5)) == [[1], [2, 3, 4], [5]]


async def test_a_batch_that_is_not_complete_is_held_back() -> None:
    assert await read(stored(1), stored(2, "a"), stored(3, "a")) == [[1]]


async def test_neighbouring_batches_are_apart() -> None:
    first = stored(1, "a"), stored(2, "a", commit=True)
    second = stored(3, "b"), stored(4, "b", commit=True)

    assert await read(*first, *second) == [[1, 2], [3, 4]]


async def test_a_batch_whose_end_was_deleted_ends_with_what_follows_it() -> None:
    assert await read(stored(1, "a"), stored(2, "a"), stored(4, "b", commit=True)) == [[1, 2], [4]]
    assert await read(stored(1, "a"), stored(3)) == [[1], [3]]


async def test_nobody_is_told_to_have_caught_up_before_the_batch_is_complete() -> None:
    items = CaughtUp(0), stored(1, "a"), CaughtUp(1), stored(2, "a", commit=True), CaughtUp(2)

    assert await read(*items) == [["caught up"], [1, "caught up", 2], ["caught up"]]
