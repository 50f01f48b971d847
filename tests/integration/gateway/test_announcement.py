"""The gateway's record on a NATS without room: it is late, and the gateway goes on."""

import asyncio
from pathlib import Path

from eventually import eventually
from full_stream import full
from slipway_chassis.connection import Connection
from slipway_chassis.heartbeats import Heartbeats
from slipway_contracts.gateway import GatewayRecord
from slipway_gateway.admin import EnvoyAdmin
from slipway_gateway.announcement import Announcer


async def test_record_that_finds_no_room_is_written_once_there_is_some(
    connection: Connection, tmp_path: Path
) -> None:
    heartbeats = Heartbeats(connection=connection, bucket="gateways")
    admin = EnvoyAdmin(address=str(tmp_path / "no-envoy.sock"))
    announcer = Announcer(gateway="one", heartbeats=heartbeats, admin=admin)
    announcing = asyncio.create_task(announcer.run())

    async with full(connection, "KV_gateways"):
        before = connection.nc.stats["out_msgs"]
        announcer.applied(7, desired=7, held={}, sections=())
        await eventually(lambda: connection.nc.stats["out_msgs"] > before)
    # The server answers in order: the record was refused before it took the limit away.
    announcer.applied(8, desired=8, held={}, sections=())

    async def record() -> GatewayRecord | None:
        written = await heartbeats.last("one")
        return None if written is None else GatewayRecord.model_validate_json(written.data or b"")

    written = await eventually(record)
    announcing.cancel()

    assert written is not None
    assert written.applied == 8
