"""The builds that this process works on, so that whoever hears of a cancel can end the work at once."""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any

from slipway_builder.making.source_build import Draft


class RunningBuilds:
    """Work in progress by build; one build can be here twice for a moment, when a delivery was repeated."""

    def __init__(self) -> None:
        self._tasks: defaultdict[str, set[asyncio.Task[Draft]]] = defaultdict(set)

    async def run(self, build: str, work: Coroutine[Any, Any, Draft]) -> Draft | None:
        """Return what the work made; None when `stop` ended it."""
        task = asyncio.create_task(work)
        self._tasks[build].add(task)
        try:
            return await task
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is not None and current.cancelling():
                raise  # the caller itself is to end: its deadline, or the end of the process
            return None
        finally:
            self._tasks[build].discard(task)
            if not self._tasks[build]:
                del self._tasks[build]

    def stop(self, build: str) -> None:
        """End the work on this build, if it happens here; ending it again changes nothing."""
        for task in self._tasks.get(build, ()):
            task.cancel()
