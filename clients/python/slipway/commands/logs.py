"""`logs`: lines that replicas and builds wrote."""

import asyncio
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.arguments import parse_moment
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.documents import LogLine
    from slipway.log_stream import LogLines

PANEL: Final = "Look"
_TELLING: Final = 6
_ENDS: Final = ("build.succeeded", "build.failed", "build.canceled")


async def logs(
    invocation: Invocation,
    name: options.Deployment,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with lines to come.")] = False,
    replica: Annotated[str | None, typer.Option(metavar="ID", help="Only of this replica, as 0-1.")] = None,
    endpoint: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this endpoint.")] = None,
    build: Annotated[str | None, typer.Option(metavar="ID", help="Of this build instead.")] = None,
    tail: Annotated[int | None, typer.Option(min=0, help="At most so many old lines; default: 1000.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=parse_moment, metavar="TIME", help="Not before, as 10m or RFC 3339."),
    ] = None,
) -> None:
    """Show what replicas or a build wrote."""
    async with invocation.client() as slipway:
        if build is not None:
            lines = slipway.build_log(name, build, tail=tail)
            await _show_build(invocation, slipway, lines, name, build, follow=follow)
        else:
            lines = slipway.logs(name, replica=replica, endpoint=endpoint, tail=tail, since=since)
            shown = await _show(invocation, lines, follow=follow)
            if not shown and tail != 0:
                invocation.note(f"{name} has no line like that.")


async def _show_build(
    invocation: Invocation, slipway: "Slipway", lines: "LogLines", name: str, build: str, *, follow: bool
) -> None:
    if follow:
        following = asyncio.create_task(_show(invocation, lines, follow=True))
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
    await _show(invocation, lines, follow=False)


async def _end_of(slipway: "Slipway", name: str, build: str) -> None:
    async with aclosing(slipway.events(deployment=name, types=_ENDS, after=0)) as events:
        async for event in events:
            if event.data.get("build") == build:
                return


async def _show(invocation: Invocation, lines: "LogLines", *, follow: bool) -> int:
    """Write the lines; return how many there were."""
    count = 0
    async with aclosing(lines.read(follow=follow)) as found:
        async for line in found:
            count += 1
            if invocation.as_json:
                invocation.document(line.as_json())
            else:
                invocation.terminal.log_line(line.text, prefix=_author(line))
    return count


def _author(line: "LogLine") -> str:
    if not line.replica:
        return ""
    # Releases count their replicas from 0-1 each: only the workload tells them apart.
    of = (line.workload or "")[:_TELLING]
    return f"{' '.join(filter(None, (line.endpoint or '?', of, line.replica)))} | "


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(rich_help_panel=PANEL)(connected(logs))
