"""Looks after the log: `python -m slipway_projector.log_command show | snapshot | truncate --before WHEN`.

The frame only: arguments, connections, the question, and what is printed.
"""

import argparse
import getpass
import json
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from slipway_chassis.blobs import BlobStore, FilesystemBlobStore
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import configure_logging
from slipway_chassis.truncation import whole_from

from slipway_projector.programs import REFUSED, run_command, say
from slipway_projector.settings import ProjectorSettings
from slipway_projector.upkeep.announcing import Announcer, Operator
from slipway_projector.upkeep.log_state import LogState
from slipway_projector.upkeep.retention import KEPT, forget
from slipway_projector.upkeep.snapshots import named_snapshots
from slipway_projector.upkeep.snapshotting import Taken, snapshot_taken
from slipway_projector.upkeep.space import require_room
from slipway_projector.upkeep.truncating import (
    Truncation,
    announce,
    bounds,
    planned,
    remove,
    require_right,
)
from slipway_projector.upkeep.wishes import sequence_of

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class _Place:
    """What a command works on."""

    connection: Connection
    log: EventLog
    url: str
    blobs: BlobStore
    database_folder: Path | None

    def announcer(self, operator: Operator, *, truncates: bool) -> Announcer:
        return Announcer(
            connection=self.connection, log=self.log, operator=operator, truncates=truncates, told=say
        )


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="slipway_projector.log_command", description="Look after the log.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="how much there is, and since when")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    snapshot = commands.add_parser("snapshot", help="store all that follows from the log, and check it")
    truncate = commands.add_parser("truncate", help="take a snapshot, then remove what nobody needs there")
    truncate.add_argument("--before", required=True, metavar="WHEN", help="a sequence, a time, or an age")
    for taking in (snapshot, truncate):
        taking.add_argument(
            "--keep", type=_count, default=KEPT, metavar="N", help="remove all but N snapshots (%(default)s)"
        )
    how = truncate.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="do not ask")
    how.add_argument("--dry-run", action="store_true", help="say what would go; change nothing")
    return parser.parse_args(given)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of snapshots from 1 on")
    return int(text)


async def run(settings: ProjectorSettings, options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    configure_logging(service="projector", instance=settings.service_instance, level="warning")
    operator = Operator(_account(), f"slipway log {options.command}")
    async with _place(settings) as place:
        match options.command:
            case "show":
                return await _show(place, as_json=options.json)
            case "snapshot":
                async with _snapshot_taken(place, place.announcer(operator, truncates=False)):
                    await _forget(place, options.keep)
                return 0
            case _:
                return await _truncate(place, operator, options)


@asynccontextmanager
async def _place(settings: ProjectorSettings) -> AsyncIterator[_Place]:
    connection = await Connection.open(
        url=settings.nats_url,
        user=settings.nats_user,
        password=settings.nats_password,
        name="slipway-projector log",
    )
    try:
        yield _Place(
            connection=connection,
            log=EventLog(connection=connection),
            url=settings.database_url.get_secret_value(),
            blobs=FilesystemBlobStore(settings.blob_root),
            database_folder=settings.database_folder,
        )
    finally:
        await connection.close()


async def _show(place: _Place, *, as_json: bool) -> int:
    state = await LogState.read(place.connection)
    whole, newest = await whole_from(place.log), next(iter(await named_snapshots(place.log)), None)
    snapshot = newest.message.model_dump(exclude={"type"}) if newest else None
    if as_json:
        told = {
            "first": state.first,
            "last": state.last,
            "messages": state.messages,
            "size_bytes": state.size_bytes,
            "first_at": state.first_at.isoformat() if state.first_at else None,
            "last_at": state.last_at.isoformat() if state.last_at else None,
            "whole_from": whole,
            "snapshot": snapshot,
        }
        say(json.dumps(told))
        return 0
    say(
        f"{state.messages} messages, {state.size_bytes / _MEGABYTE:.1f} MB, up to sequence {state.last}",
        f"whole from {whole} on" if whole > 1 else "whole: it was never truncated",
        f"snapshot of {newest.stored.time:%Y-%m-%d %H:%M} at sequence {newest.message.sequence}: "
        f"{newest.message.digest}"
        if newest
        else "no snapshot; take one with `slipway log snapshot`",
    )
    return 0


async def _truncate(place: _Place, operator: Operator, options: argparse.Namespace) -> int:
    wished = await sequence_of(options.before, place.log, await LogState.read(place.connection))
    async with _planned(place, wished) as plan:
        _say_plan(plan)
    if not plan.messages or options.dry_run:
        return 0
    await require_right(place.connection)
    if not (options.yes or _is_agreed()):
        return REFUSED
    announcer = place.announcer(operator, truncates=True)
    async with _snapshot_taken(place, announcer) as taken, _planned(place, plan.before) as plan:
        await announce(announcer, plan, taken)
        total = plan.messages
        await remove(
            place.connection,
            place.log,
            plan.going.pages(),
            told=lambda done: say(f"removed {done} of {total}"),
        )
        await _forget(place, options.keep)
    after = await LogState.read(place.connection)
    say(
        f"removed {total} messages; the log is whole from {plan.before} on, {after.messages} are left, "
        f"{after.size_bytes / _MEGABYTE:.1f} MB"
    )
    return 0


@asynccontextmanager
async def _snapshot_taken(place: _Place, announcer: Announcer) -> AsyncIterator[Taken]:
    await require_room(place.url, place.database_folder)
    async with snapshot_taken(announcer, place.url, place.blobs) as taken:
        manifest = taken.manifest
        say(
            f"snapshot at sequence {manifest.sequence}: {manifest.rows} rows, "
            f"{manifest.size_bytes / _MEGABYTE:.1f} MB, read back and compared; blob {taken.digest}"
        )
        yield taken


async def _forget(place: _Place, keep: int) -> None:
    forgotten = await forget(place.log, place.url, place.blobs, keep=keep)
    if forgotten.snapshots:
        say(f"removed {forgotten.snapshots} older snapshots, {forgotten.size_bytes / _MEGABYTE:.1f} MB")


@asynccontextmanager
async def _planned(place: _Place, wished: int) -> AsyncIterator[Truncation]:
    within = await bounds(place.connection, place.log, place.url)
    async with planned(place.log, place.url, wished=wished, within=within) as plan:
        yield plan


def _say_plan(plan: Truncation) -> None:
    if plan.bound is not None:
        say(f"not beyond {plan.bound.sequence}: {plan.bound.reason}")
    if not plan.messages:
        say(f"nothing to remove before {plan.before}")
        return
    say(
        f"{plan.messages} messages before {plan.before} go from the log; Postgres and the snapshot "
        "keep them, event streams and webhooks cannot begin there any more"
    )


def _is_agreed() -> bool:
    if not sys.stdin.isatty():
        sys.stderr.write("nobody is there to be asked; repeat with --yes\n")
        return False
    sys.stdout.write("Go on? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _account() -> str:
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = "unknown"
    return f"{account}@{socket.gethostname()}"


def main() -> int:
    """Run the command; return its exit code."""
    options = arguments()
    return run_command(lambda settings: run(settings, options))


if __name__ == "__main__":
    sys.exit(main())
