"""`events`: what happened, in the order of the log."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.event_stream import Event

PANEL: Final = "Look"


async def events(
    invocation: Invocation,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only of this deployment; default: of the group.")
    ] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is to come.")] = False,
    after: Annotated[
        int | None,
        typer.Option(
            "--from",
            min=0,
            metavar="SEQUENCE",
            help="Behind this sequence; default: from the beginning, with -f from now on.",
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--type", metavar="TYPE", help="Only these, as release or build.failed; repeatable."),
    ] = None,
) -> None:
    """Show what happened, and with -f what happens."""
    async with invocation.client() as slipway:
        wanted = kind or ()
        found = (
            slipway.events(deployment=name, types=wanted, after=after)
            if follow
            else slipway.past_events(deployment=name, types=wanted, after=after or 0)
        )
        some = False
        async with aclosing(found):
            async for event in found:
                some = True
                if invocation.as_json:
                    invocation.document(event.as_json())
                else:
                    _show(invocation, event)
        if not some:
            invocation.advise(f"No events{f' of {name}' if name else ''}.")


def _show(invocation: Invocation, event: "Event") -> None:
    from slipway.rendering import spoken_facts, spoken_time

    about = "/".join(str(event.data[part]) for part in ("group", "deployment") if event.data.get(part))
    head = f"{event.sequence:>7}  {spoken_time(event.time)}  {about:<24} {event.kind:<22}"
    invocation.terminal.say(f"{head} {spoken_facts(event.data)}".rstrip())


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(rich_help_panel=PANEL)(connected(events))
