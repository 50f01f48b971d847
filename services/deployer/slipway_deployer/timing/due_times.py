"""What is due when, soonest first: what changes costs little, however much is kept."""

import heapq
from collections.abc import Hashable
from datetime import datetime
from typing import Final, Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
_STALE_ALLOWED: Final = 64


class DueTimes(Generic[KeyT]):
    """Keys with one time each."""

    def __init__(self) -> None:
        self._at: dict[KeyT, datetime] = {}
        # Times that were replaced stay until they come up, or until they are the most of it.
        self._heap: list[tuple[datetime, int, KeyT]] = []
        self._pushed = 0

    def put(self, key: KeyT, at: datetime | None) -> None:
        """Let this be the time of a key; None: it is not due."""
        if at is None:
            self._at.pop(key, None)
        elif self._at.get(key) != at:
            self._at[key] = at
            self._push(key, at)

    def take(self, at: datetime) -> list[KeyT]:
        """Return what is due by this time, soonest first, and forget its times."""
        due: list[KeyT] = []
        while (first := self.first) is not None and first <= at:
            _, _, key = heapq.heappop(self._heap)
            del self._at[key]
            due.append(key)
        return due

    @property
    def first(self) -> datetime | None:
        """The soonest time."""
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def _push(self, key: KeyT, at: datetime) -> None:
        self._pushed += 1
        heapq.heappush(self._heap, (at, self._pushed, key))
        if len(self._heap) > 2 * len(self._at) + _STALE_ALLOWED:
            self._heap = [(at, number, key) for number, (key, at) in enumerate(self._at.items())]
            heapq.heapify(self._heap)
