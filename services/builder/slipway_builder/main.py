"""The builder's process: commands in, builds in a bounded pool, put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from slipway_chassis.blobs import FilesystemBlobStore
from slipway_chassis.broker import LogBroker, handle_until, make_broker
from slipway_chassis.log_lines import LogLinePublisher
from slipway_chassis.process import Service, run_service

from slipway_builder.builds import Builds
from slipway_builder.cancels import Cancels
from slipway_builder.dead_commands import DeadCommands
from slipway_builder.handlers import handle
from slipway_builder.installing.dependencies import Installer
from slipway_builder.installing.host_base import host_base
from slipway_builder.installing.package_cache import PackageCache
from slipway_builder.journal.labels import Labels
from slipway_builder.making.running_builds import RunningBuilds
from slipway_builder.making.work_folders import WorkFolders
from slipway_builder.removing.image_use import ImageUse
from slipway_builder.removing.removals import Removals
from slipway_builder.settings import BuilderSettings
from slipway_builder.sweep import Sweep

_GRACE_SECONDS: Final = 1.0
_UNFINISHED_FOR: Final = timedelta(days=1)


async def build(service: Service[BuilderSettings]) -> None:
    """Build until the process is told to stop; builds in hand are ended, and begun again elsewhere."""
    settings = service.settings
    sweep = Sweep(log=service.log, connection=service.connection)
    cache = PackageCache(folder=settings.work_dir / "packages", most_bytes=settings.package_cache_bytes)
    with make_builds(service) as builds:
        await builds.blobs.remove_unfinished(older_than=_UNFINISHED_FOR)
        cancels = Cancels(log=service.log, running=builds.running)
        removals = Removals(log=service.log, blobs=builds.blobs, use=ImageUse(log=service.log))
        broker = _broker(service)
        handle(broker, builds=builds, cancels=cancels, removals=removals, concurrency=settings.max_builds)
        await handle_until(
            service.stopping,
            broker,
            cancels.watch(),
            sweep.forever(every=settings.sweep_interval),
            cache.forever(every=settings.package_cache_interval),
            probes=service.probes,
        )


@contextmanager
def make_builds(service: Service[BuilderSettings]) -> Iterator[Builds]:
    """Put together what builds need; their folders are there while the body runs."""
    settings = service.settings
    with WorkFolders.open(settings.work_dir / "work") as folders:
        yield Builds(
            log=service.log,
            blobs=FilesystemBlobStore(settings.blob_root),
            installer=Installer(base=host_base(), cache=settings.work_dir / "packages"),
            limits=settings.archive_limits(),
            folders=folders,
            labels=Labels(log=service.log),
            running=RunningBuilds(),
            lines_to=lambda subject: LogLinePublisher(connection=service.connection, subject=subject),
        )


def _broker(service: Service[BuilderSettings]) -> LogBroker:
    return make_broker(
        connection=service.connection,
        telemetry=service.telemetry,
        metrics=service.metrics,
        dead=DeadCommands(log=service.log).give_up,
        grace=_GRACE_SECONDS,
    )


def main() -> None:
    """Run the builder."""
    run_service("builder", BuilderSettings, build)


if __name__ == "__main__":
    main()
