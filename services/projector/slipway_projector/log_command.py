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
from typing import Final

from slipway_chassis.blobs import BlobStore, FilesystemBlobStore
from slipway_chassis.connection import Connection
from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import configure_logging
from slipway_chassis.truncation import whole_from

from slipway_projector.log_state import LogState
from slipway_projector.programs import REFUSED, run_command, say
from slipway_projector.settings import ProjectorSettings
from slipway_projector.snapshooting import Operator, Taken, snapshot_taken
from slipway_projector.snapshots import named_snapshots
from slipway_projector.truncating import (
    Truncation,
    announce,
    bounds,
    planned,
    remove,
    require_right,
)
from slipway_projector.wishes import sequence_of

_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class _Place:
    """What a command works on."""

    connection: Connection
    log: EventLog
    url: str
    blobs: BlobStore


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="slipway_projector.log_command", description="Look after the log.")
    commands = parser.add_subparsers(dest="command", required=True)
    show = commands.add_parser("show", help="how much there is, and since when")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    commands.add_parser("snapshot", help="store all that follows from the log, and check it")
    truncate = commands.add_parser("truncate", help="take a snapshot, then remove what nobody needs there")
    truncate.add_argument("--before", required=True, metavar="WHEN", help="a sequence, a time, or an age")
    how = truncate.add_mutually_exclusive_group()
    how.add_argument("--yes", action="store_true", help="do not ask")
    how.add_argument("--dry-run", action="store_true", help="say what would go; change nothing")
    return parser.parse_args(given)


async def run(settings: ProjectorSettings, options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    configure_logging(service="projector", instance=settings.service_instance, level="warning")
    operator = Operator(_account(), f"slipway log {options.command}")
    async with _place(settings) as place:
        match options.command:
            case "show":
                return await _show(place, as_json=options.json)
            case "snapshot":
                async with snapshot_taken(place.log, place.url, place.blobs, operator) as taken:
                    _say_taken(taken)
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
    plan = await _planned(place, wished)
    _say_plan(plan)
    if not plan.does_something:
        return 0
    if options.dry_run:
        return 0
    await require_right(place.connection)
    if not (options.yes or _is_agreed()):
        return REFUSED
    async with snapshot_taken(place.log, place.url, place.blobs, operator) as taken:
        _say_taken(taken)
        plan = await _planned(place, plan.before)
        await announce(place.log, plan, taken, operator)
        total = len(plan.sequences)
        await remove(
            place.connection,
            place.log,
            plan.sequences,
            told=lambda done: say(f"removed {done} of {total}"),
        )
    after = await LogState.read(place.connection)
    say(
        f"removed {total} messages; the log is whole from {plan.before} on, {after.messages} are left, "
        f"{after.size_bytes / _MEGABYTE:.1f} MB"
    )
    return 0


async def _planned(place: _Place, wished: int) -> Truncation:
    within = await bounds(place.connection, place.log, place.url)
    return await planned(place.log, place.url, wished=wished, within=within)


def _say_plan(plan: Truncation) -> None:
    if plan.bound is not None:
        say(f"not beyond {plan.bound.sequence}: {plan.bound.reason}")
    if not plan.does_something:
        say(f"nothing to remove before {plan.before}")
        return
    say(
        f"{len(plan.sequences)} messages before {plan.before} go from the log; Postgres and the snapshot "
        "keep them, event streams and webhooks cannot begin there any more"
    )


def _say_taken(taken: Taken) -> None:
    manifest = taken.manifest
    say(
        f"snapshot at sequence {manifest.sequence}: {manifest.rows} rows, "
        f"{manifest.size_bytes / _MEGABYTE:.1f} MB, read back and compared; blob {taken.digest}"
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
