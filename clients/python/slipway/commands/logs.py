"""`logs`: lines that replicas and builds wrote."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.arguments import parse_moment, parse_replica
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.documents import LogLine
    from slipway.log_stream import LogLines

PANEL: Final = "Look"
_ENDS: Final = ("build.succeeded", "build.failed", "build.canceled")
Show = Callable[["LogLine"], None]


async def logs(  # noqa: PLR0913 - one parameter per option
    invocation: Invocation,
    name: options.Deployment,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with lines to come.")] = False,
    release: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only of this release's replicas.")
    ] = None,
    replica: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Only of this replica, as 0-1, or 0: all attempts in this slot, or 7/0-1.",
        ),
    ] = None,
    endpoint: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this endpoint.")] = None,
    build: Annotated[str | None, typer.Option(metavar="ID", help="Of this build instead.")] = None,
    tail: Annotated[int | None, typer.Option(min=0, help="At most so many old lines; default: 1000.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=parse_moment, metavar="TIME", help="Not before, as 10m or RFC 3339."),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="The lines alone, as they were written.")] = False,
) -> None:
    """Show what replicas or a build wrote.

    Before each line: its time in UTC, and of a replica release/replica and endpoint, as in
    `06:04:47Z 7/0-1 predict | ready`. Replica 0-1 is the first attempt in slot 0; `--replica` takes it as
    shown. Lines are kept for 7 days, those of replicas that ended too.
    """
    show = partial(_show_line, invocation, plain=plain)
    async with invocation.client() as slipway:
        if build is not None:
            _refuse_beside_build(release=release, replica=replica, endpoint=endpoint)
            lines = slipway.build_log(name, build, tail=tail, since=since)
            await _show_build(show, slipway, lines, name, build, follow=follow)
            return
        of, only = parse_replica(replica, release)
        lines = slipway.logs(name, release=of, replica=only, endpoint=endpoint, tail=tail, since=since)
        shown = await _show(show, lines, follow=follow)
        if not shown and tail != 0:
            invocation.note(f"{name} has no line like that.")


def _refuse_beside_build(**given: object) -> None:
    for option, value in given.items():
        if value is not None:
            raise typer.BadParameter(
                "a build has none; leave it out beside --build.", param_hint=f"--{option}"
            )


async def _show_build(
    show: Show, slipway: "Slipway", lines: "LogLines", name: str, build: str, *, follow: bool
) -> None:
    if follow:
        following = asyncio.create_task(_show(show, lines, follow=True))
        ending = asyncio.create_task(_end_of(slipway, name, build))
        try:
            await asyncio.wait({following, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (following, ending):
                task.cancel()
            ended = await asyncio.gather(following, ending, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception):
                raise error
    await _show(show, lines, follow=False)


async def _end_of(slipway: "Slipway", name: str, build: str) -> None:
    async with aclosing(slipway.events(deployment=name, types=_ENDS, after=0)) as events:
        async for event in events:
            if event.data.get("build") == build:
                return


async def _show(show: Show, lines: "LogLines", *, follow: bool) -> int:
    """Write the lines; return how many there were."""
    count = 0
    async with aclosing(lines.read(follow=follow)) as found:
        async for line in found:
            count += 1
            show(line)
    return count


def _show_line(invocation: Invocation, line: "LogLine", *, plain: bool) -> None:
    if invocation.as_json:
        invocation.document(line.as_json())
    else:
        invocation.terminal.log_line(line.text, prefix="" if plain else _prefix(line))


def _prefix(line: "LogLine") -> str:
    at = line.at.astimezone(UTC)
    day = "" if at.date() == datetime.now(UTC).date() else f"{at:%m-%d} "
    of = f" {line.release or '?'}/{line.replica} {line.endpoint or '?'}" if line.replica else ""
    return f"{day}{at:%H:%M:%S}Z{of} | "


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(rich_help_panel=PANEL)(connected(logs))
