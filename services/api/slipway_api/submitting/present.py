"""What the log has now of some subjects, read in one go."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import After, CaughtUp, EventLog, Stored

_READ_SECONDS: Final = 5.0


async def present(log: EventLog, *filters: str, after: int) -> AsyncGenerator[Stored]:
    """Return the messages with a greater sequence that are there, in order; use `contextlib.aclosing`.

    Raises:
        LogUnavailableError: no further one came in time.
    """
    async with aclosing(log.follow(*filters, start=After(after))) as items:
        while True:
            try:
                async with asyncio.timeout(_READ_SECONDS):
                    item = await anext(items)
            except TimeoutError:
                raise LogUnavailableError(f"reading {', '.join(filters)} got no further") from None
            if isinstance(item, CaughtUp):
                return
            yield item
