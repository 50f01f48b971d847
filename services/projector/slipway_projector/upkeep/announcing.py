"""Says in the log what its keeper does: that there is a snapshot, that it is truncated; also in a full log.

A full log takes nothing, and so not what would empty it. For these messages its own limits are lifted, for
as long as it takes to store one; where the server has no room at all, the oldest log lines go, which are kept
for a while only. No message of the log is ever removed for them.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogFullError
from slipway_chassis.event_log import EventLog, Expect, Outgoing
from slipway_chassis.jetstream_api import call
from slipway_contracts import subjects
from slipway_contracts.envelope import Envelope, Origin, new_id, now
from slipway_contracts.installation_events import LogSnapshotted, LogTruncated
from slipway_contracts.topology import LOG, LOG_LINES

SOURCE: Final = "/slipway/projector"
_LIMITS: Final = ("max_bytes", "max_msgs")
_UNLIMITED: Final = -1
_LIFTED: Final = "slipway.limits"
"""Metadata of the stream: its limits while they are lifted, for whoever finds them so."""
_ROOM_BYTES: Final = (1 << 20, 1 << 23, 1 << 26)
"""Others write too, and may be quicker to fill a little room."""
_MEGABYTE: Final = 1_000_000
_HOPELESS: Final = (
    "the server of NATS has no room to say so in the log, and no log lines that could go; nothing was "
    "removed. Raise max_file_store of the server, or free space on its disk, then `slipway down` and "
    "`slipway up`, and repeat this"
)
_WITHIN: Final = 10.0


@dataclass(frozen=True)
class Operator:
    """Who asks, and with which command."""

    account: str
    command: str

    def outgoing(self, message: LogSnapshotted | LogTruncated, expect: int) -> Outgoing:
        """Return a message that is stored only if this is the last one on its subject."""
        identifier = new_id()
        envelope = Envelope(
            id=identifier,
            type=message.type,
            source=SOURCE,
            subject="log",
            time=now(),
            correlation_id=identifier,
            origin=Origin(user=self.account, agent=self.command, request=identifier),
        )
        return Outgoing(
            subject=subjects.of(message), message=message, envelope=envelope, expect=Expect(sequence=expect)
        )


@dataclass(frozen=True, kw_only=True)
class Announcer:
    """Speaks for an operator.

    Attributes:
        connection: of a user that owns the streams, for a log that is full.
        log: where it is said.
        operator: who asks.
        truncates: the oldest log lines may go, where the server has no room: much more of the log will.
        told: gets a line for the operator when room had to be made.
    """

    connection: Connection
    log: EventLog
    operator: Operator
    truncates: bool = False
    told: Callable[[str], None] = lambda _: None

    async def announce(self, message: LogSnapshotted | LogTruncated, *, expect: int) -> None:
        """Store a message, if `expect` is the last sequence of its subject.

        Raises:
            ConflictError: it is not: another process was quicker.
            LogFullError: there is no room, and none can be made.
            LogUnavailableError: not confirmed in time; it may be stored or not.
        """
        outgoing = self.operator.outgoing(message, expect)
        await _restore(self.connection)
        try:
            await self.log.publish(outgoing)
        except LogFullError:
            async with _limits_lifted(self.connection):
                await self._publish_somehow(outgoing)

    async def _publish_somehow(self, outgoing: Outgoing) -> None:
        for room in _ROOM_BYTES:
            try:
                await self.log.publish(outgoing)
            except LogFullError as error:
                if not self.truncates:
                    raise
                if not await self._lines_removed(room):
                    raise LogFullError(f"{_HOPELESS}: {error}") from error
            else:
                return
        await self.log.publish(outgoing)

    async def _lines_removed(self, room: int) -> bool:
        """Remove the oldest log lines, some `room` bytes of them; False: there are none."""
        state = (await call(self.connection, f"STREAM.INFO.{LOG_LINES.name}", within=_WITHIN))["state"]
        if not state["messages"]:
            return False
        share = min(1.0, room / state["bytes"])
        behind = state["first_seq"] + round((state["last_seq"] + 1 - state["first_seq"]) * share)
        request = {"seq": max(behind, state["first_seq"] + 1)}
        purged = await call(self.connection, f"STREAM.PURGE.{LOG_LINES.name}", request, within=_WITHIN)
        self.told(
            f"the server of NATS is full: the {purged['purged']} oldest log lines went, "
            f"some {share * state['bytes'] / _MEGABYTE:.1f} MB"
        )
        return True


@asynccontextmanager
async def _limits_lifted(connection: Connection) -> AsyncIterator[None]:
    """Let the log have no limits of its own while the body runs; what it then has too much stays."""
    config = await _config(connection)
    limits = {name: config[name] for name in _LIMITS if config.get(name, _UNLIMITED) > 0}
    if limits:
        metadata = {**_metadata(config), _LIFTED: json.dumps(limits)}
        await _update(connection, {**config, **dict.fromkeys(limits, _UNLIMITED), "metadata": metadata})
    try:
        yield
    finally:
        if limits:
            await _restore(connection)


async def _restore(connection: Connection) -> None:
    """Set the limits again that were lifted, perhaps by a process that was interrupted.

    One that an operator has set since stays.
    """
    config = await _config(connection)
    metadata = _metadata(config)
    if lifted := metadata.pop(_LIFTED, None):
        limits = {name: limit for name, limit in json.loads(lifted).items() if config[name] == _UNLIMITED}
        await _update(connection, {**config, **limits, "metadata": metadata})


def _metadata(config: Mapping[str, Any]) -> dict[str, str]:
    return dict(config.get("metadata") or {})


async def _config(connection: Connection) -> dict[str, Any]:
    config: dict[str, Any] = (await call(connection, f"STREAM.INFO.{LOG.name}", within=_WITHIN))["config"]
    return config


async def _update(connection: Connection, config: Mapping[str, Any]) -> None:
    await call(connection, f"STREAM.UPDATE.{LOG.name}", config, within=_WITHIN)
