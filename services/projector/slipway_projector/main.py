"""The projector's process."""

import asyncio
from contextlib import suppress
from typing import Final

from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.process import Service, run_service

from slipway_projector.database import Database
from slipway_projector.meters import Meters
from slipway_projector.programs import collect_seldom
from slipway_projector.projector import Projector
from slipway_projector.settings import ProjectorSettings

_COLLECT_AFTER: Final = 1_000_000


async def project(service: Service[ProjectorSettings]) -> None:
    """Project until the process is told to stop."""
    settings = service.settings
    projector = Projector(
        log=service.log,
        database=Database(url=settings.database_url.get_secret_value()),
        meters=Meters(service.metrics.registry),
        telemetry=service.telemetry,
        blobs=FilesystemBlobStore(settings.blob_root),
        batch_messages=settings.batch_messages,
        standby_poll=settings.standby_poll,
        verify_period=settings.verify_period,
    )
    collect_seldom(_COLLECT_AFTER)
    service.probes.add("projection", projector.problem)
    running = asyncio.create_task(projector.run())
    stopping = asyncio.create_task(service.stopping.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    # A batch in flight is rolled back by Postgres and folded again by whoever comes next.
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def main() -> None:
    """Run the projector."""
    run_service("projector", ProjectorSettings, project)


if __name__ == "__main__":
    main()
