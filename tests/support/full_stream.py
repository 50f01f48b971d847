"""A stream without room, for tests: it refuses every message as one on a full disk does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from slipway_chassis.connection import Connection
from slipway_chassis.jetstream_api import call

_WITHIN = 5.0


@asynccontextmanager
async def full(connection: Connection, stream: str) -> AsyncIterator[None]:
    """Let a bucket's stream take no message while the body runs, neither of a new key nor of an old one."""
    info = await call(connection, f"STREAM.INFO.{stream}", within=_WITHIN)
    refusing = {"discard": "new", "discard_new_per_subject": True, "max_bytes": 1}
    await call(connection, f"STREAM.UPDATE.{stream}", info["config"] | refusing, within=_WITHIN)
    try:
        yield
    finally:
        await call(connection, f"STREAM.UPDATE.{stream}", info["config"], within=_WITHIN)
