"""Fixtures of the notifier's tests."""

from collections.abc import AsyncIterator

import pytest
from webhook_world import Receiver, receiver, receiving, world

__all__ = ["receiver", "world"]


@pytest.fixture
async def other() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver
