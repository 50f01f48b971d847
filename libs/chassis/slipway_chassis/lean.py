"""Keeps optional parts of libraries out of processes that never use them.

nats-py imports aiohttp for its websocket transport, structlog imports rich for its tracebacks: together 0.3 s
and 12 MB in every process of the platform.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(*packages: str) -> Iterator[None]:
    """Let the imports inside find these optional packages not installed; a package in use stays as it is."""
    hidden = [package for package in packages if package not in sys.modules]
    for package in hidden:
        sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for package in hidden:
            del sys.modules[package]
