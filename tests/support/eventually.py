"""Waiting for a state in tests: a level, never an edge, and never a fixed sleep."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")


@overload
async def eventually(
    probe: Callable[[], Awaitable[T]],
    timeout: float = 30.0,  # noqa: ASYNC109
    *,
    every: float = 0.01,
) -> T: ...
@overload
async def eventually(
    probe: Callable[[], T],
    timeout: float = 30.0,  # noqa: ASYNC109
    *,
    every: float = 0.01,
) -> T: ...
async def eventually(
    probe: Callable[[], Any],
    timeout: float = 30.0,  # noqa: ASYNC109
    *,
    every: float = 0.01,
) -> Any:
    """Return the first truthy result of `probe`; fail with its last one after `timeout` seconds.

    An AssertionError of `probe` counts as "not yet".
    """
    deadline = time.monotonic() + timeout
    while True:
        seen: object
        try:
            outcome = probe()
            result = await outcome if inspect.isawaitable(outcome) else outcome
        except AssertionError as error:
            seen = error
        else:
            if result:
                return result
            seen = result
        if time.monotonic() >= deadline:
            raise AssertionError(f"not so within {timeout:g} s; last seen: {seen!r}")
        await asyncio.sleep(every)


def until(probe: Callable[[], T | None], timeout: float = 30.0, *, otherwise: str = "not so") -> T:
    """Return the first truthy result of `probe`, as `eventually` does, where no event loop runs."""
    deadline = time.monotonic() + timeout
    while True:
        seen: object
        try:
            result = probe()
        except AssertionError as error:
            seen = error
        else:
            if result:
                return result
            seen = result
        if time.monotonic() >= deadline:
            raise AssertionError(f"{otherwise} within {timeout:g} s; last seen: {seen!r}")
        time.sleep(0.05)
