"""Envoy and the gateway for each test, on a log of its own."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from gateway_access import Issuer, restart_with_key_set
from gateway_replicas import Replica
from gateway_servers import EnvoyServer, GatewayHouse
from slipway_chassis.connection import Connection


@pytest.fixture
def envoy() -> Iterator[EnvoyServer]:
    server = EnvoyServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def house(connection: Connection, envoy: EnvoyServer) -> AsyncIterator[GatewayHouse]:
    """A running gateway before a running Envoy, with an empty log."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        house = GatewayHouse(connection=connection, envoy=envoy, session=session)
        await envoy.until_up()
        house.start()
        await house.applied(0)
        yield house
        await house.stop()


@pytest.fixture
async def replicas() -> AsyncIterator[list[Replica]]:
    """Three HTTP servers, named `a`, `b` and `c`."""
    servers = [Replica(name) for name in "abc"]
    for each in servers:
        await each.start()
    yield servers
    for each in servers:
        await each.stop()


@pytest.fixture
async def issuer(house: GatewayHouse) -> Issuer:
    """The issuer whose key set the gateway was started with."""
    issuer = Issuer()
    await restart_with_key_set(house, issuer.key_set)
    return issuer
