"""Ships the log lines of replicas to the log stream, each replica from where the last reader stopped."""

import asyncio
from collections import Counter
from contextlib import aclosing
from typing import Final

from slipway_chassis.connection import Connection
from slipway_chassis.errors import LogUnavailableError
from slipway_chassis.event_log import EventLog, Stored
from slipway_chassis.log_lines import LogLinePublisher, batches
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.log_lines import POSITION_HEADER, LogLine, LogStream
from slipway_contracts.topology import LOG_LINES
from slipway_contracts.workload import ReplicaRef
from slipway_engines import engine as engines

_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_READ_OUT_SECONDS: Final = 10.0
_log: Final = get_logger()


class ReplicaLogs:
    """One follower per replica that lives, or died with lines unread.

    Args:
        connection: the process' connection.
        engine: has the lines.
        read_out_seconds: how long a replica that is gone may give no line before its log counts as read.
    """

    def __init__(
        self, *, connection: Connection, engine: engines.Engine, read_out_seconds: float = _READ_OUT_SECONDS
    ) -> None:
        self._connection = connection
        self._engine = engine
        self._read_out_seconds = read_out_seconds
        self._shipped: Counter[ReplicaRef] = Counter()
        self._lines = EventLog(connection=connection, stream=LOG_LINES.name)
        self._followers: dict[ReplicaRef, asyncio.Task[None]] = {}
        self._reading_out: set[asyncio.Task[None]] = set()

    def follow(self, replica: ReplicaRef) -> None:
        """Ship this replica's lines until it ended and all were read; a second call changes nothing."""
        if replica not in self._followers:
            self._followers[replica] = asyncio.create_task(
                self._ship_all(replica), name=f"logs of {replica.id}"
            )

    def forget(self, replica: ReplicaRef) -> None:
        """Read out the log of a replica that is gone, for as long as lines come of it."""
        task = self._followers.pop(replica, None)
        if task is not None and not task.done():
            reading = asyncio.create_task(self._read_out(replica, task))
            for each in (task, reading):
                self._reading_out.add(each)
                each.add_done_callback(self._reading_out.discard)
        else:
            self._shipped.pop(replica, None)

    async def close(self) -> None:
        """Stop all followers, also those that read out: the next monitor goes on where they stopped."""
        tasks = [*self._followers.values(), *self._reading_out]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_out(self, replica: ReplicaRef, task: asyncio.Task[None]) -> None:
        before = -1
        while not task.done() and self._shipped[replica] > before:
            before = self._shipped[replica]
            await asyncio.wait({task}, timeout=self._read_out_seconds)
        task.cancel()
        if replica not in self._followers:
            self._shipped.pop(replica, None)

    async def _ship_all(self, replica: ReplicaRef) -> None:
        """Ship until all was read; what fails is begun again after a growing pause."""
        clock, pause = asyncio.get_running_loop().time, _PAUSE_SECONDS
        while True:
            began = clock()
            try:
                await self._ship(replica)
            except Exception as error:  # noqa: BLE001 - whatever it is, the lines to come must not be lost
                _log.error("replica.log_interrupted", replica=replica.id, exc_info=error)
            else:
                return
            pause = _PAUSE_SECONDS if clock() - began > _LONGEST_PAUSE_SECONDS else pause
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _ship(self, replica: ReplicaRef) -> None:
        workload = replica.workload
        subject = subjects.replica_log(workload.group, workload.deployment, workload.id, replica.id)
        last = await self._last(subject)
        since = last.headers.get(POSITION_HEADER, "") if last else ""
        publisher = LogLinePublisher(connection=self._connection, subject=subject)
        async with aclosing(batches(self._engine.logs(replica, engines.Position(since)))) as read:
            async for batch in read:
                lines = tuple(
                    LogLine(at=line.at, stream=LogStream(line.stream), text=line.text) for line in batch
                )
                await publisher.publish(lines, position=batch[-1].position)
                self._shipped[replica] += len(lines)
        _log.debug("replica.log_read", workload=workload.id, replica=replica.id)

    async def _last(self, subject: str) -> Stored | None:
        while True:
            try:
                return await self._lines.last(subject)
            except LogUnavailableError:
                await asyncio.sleep(_PAUSE_SECONDS)
