"""`timeline`: where the time of an operation went."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.timeline_documents import Timeline

PANEL: Final = "Look"
_STYLES: Final = {"RUNNING": "yellow", "FAILED": "red", "SUPERSEDED": "yellow", "CANCELED": "yellow"}


async def timeline(
    invocation: Invocation,
    name: options.Deployment,
    *,
    operation: Annotated[
        str | None, typer.Option(metavar="ID", help="Which operation; default: the last one.")
    ] = None,
) -> None:
    """Show what each stage of an operation took, and what it waits for.

    A bar that ends in > runs, one that ends in x ended otherwise than well.
    """
    from slipway.timeline_chart import chart

    async with invocation.client() as slipway:
        found = await slipway.timeline(name, operation=operation)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    terminal = invocation.terminal
    terminal.say(_heading(found))
    for line in chart(found):
        terminal.say(line.text, style=_STYLES.get(line.state, ""))
    if found.waits_for:
        terminal.say(f"Waits for {found.waits_for}. Owed by: {found.owed_by}.")


def _heading(found: "Timeline") -> str:
    from slipway.progress import spoken

    release = f", release {found.release}" if found.release else ""
    took = f"{found.state} after" if found.ended_at else f"{found.state} since"
    what = found.cause or found.kind
    return f"{what} of {found.deployment}{release}: {took} {spoken(found.seconds)} ({found.operation})"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(rich_help_panel=PANEL)(connected(timeline))
