"""Leases: one holder at a time, prompt take-over, growing epochs, loss that is noticed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from eventually import eventually
from full_stream import full
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.errors import LeaseLostError
from slipway_chassis.event_log import EventLog
from slipway_chassis.jetstream_api import publish
from slipway_chassis.leases import Holding, Lease, Leases
from slipway_chassis.provision import provision

TTL = timedelta(seconds=1)
LONG = timedelta(seconds=30)


@asynccontextmanager
async def waiting_for(leases: Leases, name: str, *, ttl: timedelta = TTL) -> AsyncIterator[list[Lease]]:
    """Hold in the background; yields a list that has the lease once it is taken."""
    taken: list[Lease] = []

    async def hold() -> None:
        async with leases.hold(name, ttl=ttl) as lease:
            taken.append(lease)
            await asyncio.Event().wait()

    task = asyncio.create_task(hold())
    try:
        yield taken
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def seize(connection: Connection, name: str) -> None:
    """Write another holder's record over a lease, as a process that took it over would."""
    record = b'{"holder":"intruder","token":"other"}'
    await publish(connection, f"$KV.leases.{name}", record, headers={"Nats-TTL": "30s"}, within=5)


async def test_second_holder_waits_until_the_first_gives_the_lease_back(connection: Connection) -> None:
    first, second = (Leases(connection=connection, holder=name) for name in ("first", "second"))

    async with AsyncExitStack() as stack:
        async with first.hold("target", ttl=LONG) as held:
            taken = await stack.enter_async_context(waiting_for(second, "target", ttl=LONG))
            assert (await second.current("target")) == Holding(holder="first", epoch=held.epoch)
            assert taken == []
        await eventually(lambda: taken, timeout=LONG.total_seconds() / 2)

    assert taken[0].epoch > held.epoch


async def test_lease_of_a_dead_holder_is_taken_over_soon_after_its_time(
    fresh_nats: NatsServer, connection: Connection
) -> None:
    dying = await Connection.open(url=fresh_nats.url, user=None, password=None, name="dying")
    standby = Leases(connection=connection, holder="standby")
    async with waiting_for(Leases(connection=dying, holder="dying"), "target") as first:
        await eventually(lambda: first)
        async with waiting_for(standby, "target") as second:
            await dying.nc.close()

            await eventually(lambda: second)

            assert second[0].epoch > first[0].epoch
            await eventually(first[0].lost.is_set)


async def test_held_lease_outlives_its_time_by_renewal(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="only")
    rival = Leases(connection=connection, holder="rival")
    loop = asyncio.get_running_loop()

    async with leases.hold("target", ttl=3 * TTL) as lease, waiting_for(rival, "target") as taken:
        until = loop.time() + 4
        await eventually(lambda: loop.time() > until)

        assert lease.held
        assert taken == []
        assert await leases.current("target") == Holding(holder="only", epoch=lease.epoch)


async def test_holder_learns_that_another_process_has_its_lease(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="first")

    async with leases.hold("target", ttl=TTL) as lease:
        lease.check()
        await seize(connection, "target")

        await eventually(lease.lost.is_set)
        with pytest.raises(LeaseLostError, match="target"):
            lease.check()

    holding = await leases.current("target")
    assert holding is not None
    assert holding.holder == "intruder"


async def test_holder_that_cannot_reach_the_server_loses_the_lease_by_its_own_clock(
    fresh_nats: NatsServer, connection: Connection
) -> None:
    leases = Leases(connection=connection, holder="first")

    async with leases.hold("target", ttl=TTL) as lease:
        fresh_nats.kill9()

        await eventually(lease.lost.is_set)

        assert not lease.held


async def test_holder_keeps_the_lease_over_a_quick_restart_of_the_server(
    fresh_nats: NatsServer, connection: Connection
) -> None:
    leases = Leases(connection=connection, holder="first")
    bucket = EventLog(connection=connection, stream="KV_leases")

    async with leases.hold("target", ttl=timedelta(seconds=3)) as lease:
        await asyncio.to_thread(fresh_nats.restart)
        restarted_at = await bucket.end()

        async def renewed_twice() -> bool:
            return await bucket.end() >= restarted_at + 2

        await eventually(renewed_twice)
        assert lease.held
        assert await leases.current("target") == Holding(holder="first", epoch=lease.epoch)


async def test_holder_whose_renewals_find_no_room_loses_the_lease_by_its_own_clock(
    connection: Connection,
) -> None:
    leases = Leases(connection=connection, holder="first")

    async with leases.hold("target", ttl=TTL) as lease, full(connection, "KV_leases"):
        await eventually(lease.lost.is_set)

        assert not lease.held


async def test_holder_keeps_the_lease_when_there_is_room_again_in_time(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="first")
    bucket = EventLog(connection=connection, stream="KV_leases")

    async with leases.hold("target", ttl=timedelta(seconds=6)) as lease:
        taken_at = await bucket.end()
        async with full(connection, "KV_leases"):
            await eventually(lambda: lease.seconds_left < 3.5)
            assert await bucket.end() == taken_at

        await eventually(lambda: lease.seconds_left > 5)
        assert lease.held


async def test_waiting_process_takes_the_lease_once_there_is_room(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="first")

    async with AsyncExitStack() as room:
        await room.enter_async_context(full(connection, "KV_leases"))
        async with waiting_for(leases, "target") as taken:
            with pytest.raises(AssertionError):
                await eventually(lambda: taken, timeout=0.5)
            await room.aclose()

            await eventually(lambda: taken)


async def test_lease_that_finds_no_room_to_be_given_back_runs_out(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="first")

    async with AsyncExitStack() as room:
        async with leases.hold("target", ttl=LONG) as lease:
            await room.enter_async_context(full(connection, "KV_leases"))

        assert await leases.current("target") == Holding(holder="first", epoch=lease.epoch)


async def test_holder_that_cannot_read_what_was_written_over_its_lease_has_lost_it(
    connection: Connection,
) -> None:
    leases = Leases(connection=connection, holder="first")
    noticed: list[Lease] = []

    async def hold() -> None:
        async with leases.hold("target", ttl=TTL) as lease:
            await publish(connection, "$KV.leases.target", b"{}", headers={"Nats-TTL": "30s"}, within=5)
            await eventually(lease.lost.is_set)
            noticed.append(lease)

    await hold()

    assert noticed


async def test_exactly_one_of_twenty_rivals_holds_at_any_time(connection: Connection) -> None:
    holders: list[str] = []
    epochs: list[int] = []

    async def rival(name: str) -> None:
        async with Leases(connection=connection, holder=name).hold("target", ttl=TTL) as lease:
            holders.append(name)
            assert holders == [name]
            epochs.append(lease.epoch)
            await asyncio.sleep(0.01)
            holders.remove(name)

    await asyncio.gather(*(rival(f"rival-{number}") for number in range(20)))

    assert len(epochs) == 20
    assert epochs == sorted(set(epochs))


async def test_free_lease_has_no_holder(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="first")
    async with leases.hold("target", ttl=LONG):
        pass

    assert await leases.current("target") is None
    assert await leases.current("never") is None


async def test_time_below_the_servers_resolution_is_refused(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="first")

    with pytest.raises(ValueError, match="0:00:01"):
        async with leases.hold("target", ttl=timedelta(milliseconds=500)):
            pass


async def test_provisioning_again_keeps_a_held_lease(connection: Connection) -> None:
    leases = Leases(connection=connection, holder="first")

    async with leases.hold("target", ttl=LONG) as lease:
        await provision(connection)

        assert await leases.current("target") == Holding(holder="first", epoch=lease.epoch)
