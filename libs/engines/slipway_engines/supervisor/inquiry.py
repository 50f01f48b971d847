"""Puts one question to a server and waits for the answer, however long; a busy server answers in its turn."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from slipway_engines.supervisor.probes import Probe

Ask = Callable[[set[int]], Coroutine[Any, Any, Probe]]
"""Asks once, and adds the port it asks from to the set."""


class Inquiry:
    """A question that is open or not; at most two copies of it are on their way."""

    def __init__(self, ask: Ask) -> None:
        self.ports: set[int] = set()
        self._ask = ask
        self._asked: list[tuple[float, asyncio.Task[Probe]]] = []

    @property
    def is_open(self) -> bool:
        """Whether something was asked and not answered yet."""
        return bool(self._asked)

    @property
    def silent_seconds(self) -> tuple[float, ...]:
        """How long each copy of the question has had no answer, the first one first."""
        now = time.monotonic()
        return tuple(now - at for at, _ in self._asked)

    def ask(self) -> None:
        """Ask, or ask once more."""
        task = asyncio.get_running_loop().create_task(self._ask(self.ports))
        self._asked.append((time.monotonic(), task))

    async def answer(self, within_seconds: float) -> Probe | None:
        """Return the first answer, which closes the question; None where none came in this time."""
        if not self.is_open:
            self.ask()
        tasks = [task for _, task in self._asked]
        done, _ = await asyncio.wait(tasks, timeout=within_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            return None
        first = next(task for task in tasks if task in done)
        self.close()
        return first.result()

    def close(self) -> None:
        """Wait for no answer any more."""
        for _, task in self._asked:
            task.cancel()
        self._asked.clear()
        self.ports.clear()
