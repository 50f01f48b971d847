"""Ships the log lines of replicas to the log stream, each replica from where the last reader stopped."""

import asyncio
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
_READ_OUT_SECONDS: Final = 10.0
_log: Final = get_logger()


class ReplicaLogs:
    """One follower per replica that lives, or died with lines unread."""

    def __init__(self, *, connection: Connection, engine: engines.Engine) -> None:
        self._connection = connection
        self._engine = engine
        self._lines = EventLog(connection=connection, stream=LOG_LINES.name)
        self._followers: dict[ReplicaRef, asyncio.Task[None]] = {}

    def follow(self, replica: ReplicaRef) -> None:
        """Ship this replica's lines until it ended and all were read; a second call changes nothing."""
        known = self._followers.get(replica)
        if known is not None and not (known.done() and not known.cancelled() and known.exception()):
            return
        task = asyncio.create_task(self._ship(replica), name=f"logs of {replica.id}")
        task.add_done_callback(_report)
        self._followers[replica] = task

    def forget(self, replica: ReplicaRef) -> None:
        """Read out the log of a replica that is gone, for a bounded time."""
        task = self._followers.pop(replica, None)
        if task is not None and not task.done():
            asyncio.get_running_loop().call_later(_READ_OUT_SECONDS, task.cancel)

    async def close(self) -> None:
        """Stop all followers."""
        tasks = list(self._followers.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ship(self, replica: ReplicaRef) -> None:
        workload = replica.workload
        subject = subjects.replica_log(workload.group, workload.deployment, workload.id, replica.id)
        last = await self._last(subject)
        since = last.headers.get(POSITION_HEADER, "") if last else ""
        publisher = LogLinePublisher(connection=self._connection, subject=subject)
        async for batch in batches(self._engine.logs(replica, engines.Position(since))):
            lines = tuple(
                LogLine(at=line.at, stream=LogStream(line.stream), text=line.text) for line in batch
            )
            await publisher.publish(lines, position=batch[-1].position)
        _log.debug("replica.log_read", workload=workload.id, replica=replica.id)

    async def _last(self, subject: str) -> Stored | None:
        while True:
            try:
                return await self._lines.last(subject)
            except LogUnavailableError:
                await asyncio.sleep(_PAUSE_SECONDS)


def _report(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error("replica.log_lost", task=task.get_name(), error=str(error))
