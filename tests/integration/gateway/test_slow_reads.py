"""What the gateway reads from Envoy for others to know holds up no change of routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from eventually import eventually
from gateway_held import serving
from gateway_replicas import Replica
from gateway_servers import GatewayHouse
from slipway_chassis.telemetry import configure_telemetry


class StallingAdmin:
    """Envoy's administration, which stops answering one kind of question when told to."""

    def __init__(self, *, address: str, envoy: str, stalled: str) -> None:
        self.address = address
        self.is_stalling = False
        self.waiting = 0
        self._envoy = envoy
        self._stalled = stalled

    @asynccontextmanager
    async def running(self) -> AsyncIterator["StallingAdmin"]:
        server = await asyncio.start_unix_server(self._serve, self.address)
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(self._envoy)
        answering = asyncio.create_task(self._pass_on(theirs, writer))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                question = await reader.readuntil(b"\r\n\r\n")
                if self.is_stalling and self._stalled.encode() in question:
                    self.waiting += 1
                    await reader.read()
                    self.waiting -= 1
                    break
                ours.write(question)
        answering.cancel()
        ours.close()
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while answer := await reader.read(65536):
                writer.write(answer)


async def test_a_count_of_first_answers_that_takes_long_holds_up_no_switch(
    house: GatewayHouse, replicas: list[Replica], tmp_path: Path
) -> None:
    await house.stop()
    house.telemetry = configure_telemetry(service="gateway", instance="test", traces_file=tmp_path / "spans")
    slow = str(house.envoy.folder / "slow.sock")
    admin = StallingAdmin(address=slow, envoy=house.envoy.admin, stalled="upstream_rq_2xx")
    async with admin.running():
        house.envoy.admin = slow
        house.start()
        story = (await serving(house, replicas, ("two", "one")))["one"]
        admin.is_stalling = True
        await eventually(lambda: admin.waiting > 0)
        story.traffic = {2: 100}

        sequence = await house.publish(story.desired)
        await eventually(lambda: house.confirmed() >= sequence)

        assert admin.waiting > 0
        await house.stop()
    house.telemetry.close()
