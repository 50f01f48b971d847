"""Rebuilds or verifies the projection: `python -m slipway_projector.rebuild_command [--swap | --verify]`.

The frame only: arguments, connections, and what is printed.
"""

import argparse
import sys
import time
from collections.abc import Sequence

from slipway_chassis.blobs import BlobStore, FilesystemBlobStore
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import configure_logging

from slipway_projector.database import REBUILT
from slipway_projector.programs import run_command, say
from slipway_projector.rebuilds.parts import parts_for
from slipway_projector.rebuilds.rebuilding import Rebuild, discard, position, rebuilt
from slipway_projector.settings import ProjectorSettings


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="slipway_projector.rebuild_command", description="Make the tables anew."
    )
    parser.add_argument("--schema", default=REBUILT, help="where to; emptied first (%(default)s)")
    parser.add_argument(
        "--parts",
        type=int,
        help="processes that fold the log side by side (of a long one: one per processor)",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--swap", action="store_true", help="then put them in the place of those in use")
    how.add_argument("--verify", action="store_true", help="compare with those in use, then drop them")
    return parser.parse_args(given)


async def run(settings: ProjectorSettings, options: argparse.Namespace) -> int:
    """Rebuild as the options say; return the exit code: 1 when `--verify` found differences."""
    configure_logging(service="projector", instance=settings.service_instance, level="warning")
    password = settings.nats_password
    connection = await Connection.open(
        url=settings.nats_url, user=settings.nats_user, password=password, name="slipway-projector rebuild"
    )
    try:
        log, blobs = EventLog(connection=connection), FilesystemBlobStore(settings.blob_root)
        return await _run(log, blobs, settings.database_url.get_secret_value(), options)
    finally:
        await connection.close()


async def _run(log: EventLog, blobs: BlobStore, url: str, options: argparse.Namespace) -> int:
    began = time.monotonic()
    until = await position(url) if options.verify else None
    parts = options.parts or await parts_for(log)
    async with rebuilt(log, url, blobs=blobs, schema=options.schema, until=until, parts=parts) as rebuild:
        made = f"rebuilt into schema {options.schema} in {time.monotonic() - began:.1f} s"
        if options.verify:
            return await _verify(rebuild, url, options.schema, made=made)
        say(made, *await _table(rebuild))
        if options.swap:
            await rebuild.swap()
            say("the rebuilt tables are in use")
    return 0


async def _verify(rebuild: Rebuild, url: str, schema: str, *, made: str) -> int:
    differences = await rebuild.differences()
    if differences:
        say("the tables in use differ from the log; `slipway projections rebuild` makes them anew")
        say(*(f"  {difference}" for difference in differences))
    else:
        say("the tables in use are what the log says")
    say(made, *await _table(rebuild))
    await discard(url, schema)
    return 1 if differences else 0


async def _table(rebuild: Rebuild) -> list[str]:
    counts = await rebuild.counts()
    wide, digits = max(map(len, counts)), len(str(max(counts.values())))
    return [f"  {table:{wide}}  {rows:{digits}}" for table, rows in counts.items()]


def main() -> int:
    """Run the command; return its exit code."""
    options = arguments()
    return run_command(lambda settings: run(settings, options))


if __name__ == "__main__":
    sys.exit(main())
