"""Keeps what the gateway knows on disk: a restart without a log, or with an empty one, removes no route."""

import asyncio
from typing import Final

from slipway_chassis.errors import SlipwayError
from slipway_chassis.logs import get_logger

from slipway_gateway.files import GatewayFolder
from slipway_gateway.known import Dump, Known

_log: Final = get_logger()


class SnapshotUnreadableError(SlipwayError):
    """What the gateway knew is damaged; to start without it could remove routes."""


class Snapshot:
    """One file beside Envoy's.

    Args:
        folder: the gateway's.
    """

    def __init__(self, folder: GatewayFolder) -> None:
        self._folder = folder
        self._stored: bytes | None = None

    def load(self) -> Known:
        """Return what was known; nothing on the first start.

        Raises:
            SnapshotUnreadableError: there is a snapshot, but it says nothing.
        """
        content = self._stored = self._folder.read(self._folder.known)
        if content is None:
            return Known()
        try:
            return Known.load(content)
        except ValueError as error:
            raise SnapshotUnreadableError(
                f"{self._folder.known} is damaged: remove it to start from the log alone, which drops the "
                f"routes of deployments that the log does not have ({error})"
            ) from error

    async def save(self, known: Known) -> None:
        """Store it durably, if it changed; a full disk is reported and costs no route."""
        try:
            await asyncio.to_thread(self._store, known.dump())
        except OSError as error:
            _log.error("what the gateway knows could not be stored", problem=str(error))

    def _store(self, dump: Dump) -> None:
        content = dump.joined()
        if content != self._stored:
            self._folder.replace(self._folder.known, content, durable=True)
            self._stored = content
