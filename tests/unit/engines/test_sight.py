"""What is seen of a process, looking at this very one."""

import asyncio
import os
import socket
from datetime import UTC, datetime

import pytest
from slipway_contracts.replica import ReplicaState
from slipway_contracts.workload import ReplicaRef, WorkloadRef
from slipway_engines.engine import ReplicaObserved
from slipway_engines.supervisor.callers import Callers
from slipway_engines.supervisor.launcher.replica_record import ReplicaRecord, now
from slipway_engines.supervisor.listeners import ListeningPorts
from slipway_engines.supervisor.sight import Sight

RECORD = ReplicaRecord(
    status="running",
    at=now(),
    launcher_pid=os.getpid(),
    launcher_ticks=0,
    supervisor_pid=1,
    supervisor_ticks=0,
    pid=os.getpid(),
)
REPLICA = ReplicaObserved(
    ref=ReplicaRef(workload=WorkloadRef(group="g", deployment="d", id="0" * 16), id="0-1"),
    endpoint="e",
    state=ReplicaState.STARTED,
    at=datetime.now(UTC),
)


def sight_of(port: int, *, health: str | None = None) -> Sight:
    return Sight(port, health=health, patience_seconds=60.0, ports=ListeningPorts(), callers=Callers())


async def look(sight: Sight, *, age_seconds: float = 1.0) -> ReplicaObserved:
    await sight.look(RECORD, age_seconds=age_seconds)
    return sight.seen(REPLICA)


async def test_a_ready_server_is_not_bothered_with_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        sight = sight_of(server.getsockname()[1])

        first = await look(sight)
        server.accept()[0].close()
        later = [await look(sight) for _ in range(3)]

        assert {each.state for each in (first, *later)} == {ReplicaState.READY}
        with pytest.raises(BlockingIOError):
            server.accept()


async def test_a_server_that_stops_listening_is_unready_after_three_looks() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sight = sight_of(server.getsockname()[1])
        await look(sight)

    states = [(await look(sight)).state for _ in range(3)]

    assert states == [ReplicaState.READY, ReplicaState.READY, ReplicaState.UNREADY]


async def test_ports_are_looked_up_only_while_it_is_not_ready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        sight = sight_of(1)

        young = await look(sight, age_seconds=0.1)
        older = await look(sight, age_seconds=0.4)

        assert young.listening == ()
        assert other.getsockname()[1] in older.listening
        assert older.state is ReplicaState.UNREADY


async def test_nothing_new_is_no_news() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sight = sight_of(server.getsockname()[1])
        await sight.look(RECORD, age_seconds=1.0)
        assert sight.is_news
        sight.seen(REPLICA)

        await sight.look(RECORD, age_seconds=2.0)

        assert not sight.is_news


async def test_an_old_process_that_says_nothing_is_called_silent_and_not_unready() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        sight = sight_of(server.getsockname()[1], health="/health")

        seen = [await look(sight, age_seconds=100.0) for _ in range(2)]

        assert [(each.state, each.silent) for each in seen] == 2 * [(ReplicaState.STARTED, True)]
        sight.close()


async def test_a_ready_server_that_says_nothing_is_asked_once_and_stays_ready_for_now() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        sight = sight_of(server.getsockname()[1], health="/health")
        loop = asyncio.get_running_loop()
        answering = asyncio.create_task(_answer_once(loop, server))
        await look(sight)
        await answering

        states = [(await look(sight)).state for _ in range(3)]

        assert states == 3 * [ReplicaState.READY]
        server.accept()[0].close()
        with pytest.raises(BlockingIOError):
            server.accept()
        sight.close()


async def _answer_once(loop: asyncio.AbstractEventLoop, server: socket.socket) -> None:
    connection, _ = await loop.sock_accept(server)
    await loop.sock_recv(connection, 4096)
    await loop.sock_sendall(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    connection.close()
