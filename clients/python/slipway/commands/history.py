"""`history` and `diff`: which releases there were, and how they differ."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.comparison_documents import HistoryEntry

PANEL: Final = "Look"
_NARROW: Final = ("RELEASE", "STATE", "VERSION", "CAUSE", "ALIAS", "REPLICAS", "CREATED", "BY", "DESCRIPTION")
_WIDE: Final = (
    *_NARROW[:-1],
    *(
        "GROUP",
        "TARGET",
        "TYPE",
        "LIVE",
        "ENDED",
        "STOPPED",
        "RESTORABLE",
        "IMAGES",
        "METADATA",
        "DESCRIPTION",
    ),
)

_LEAVING: Final = {"REPLICAS": 4, "BY": 3, "ALIAS": 2, "CAUSE": 1}
"""In which order columns leave a narrow terminal; what was asked for with --wide stays."""


async def history(
    invocation: Invocation,
    name: options.Deployment,
    *,
    limit: options.Limit = 50,
    wide: Annotated[
        bool, typer.Option("--wide", "-w", help="Images, instance type, metadata and more too.")
    ] = False,
) -> None:
    """List the releases of a deployment, newest first."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.history(name, limit=limit)]
        if not found:
            await slipway.require(name)
    titles = _WIDE if wide else _NARROW
    rows = [[cells[title] for title in titles] for cells in map(_cells, found)]
    columns = [
        Column(title=title, wraps=title == "DESCRIPTION", leaves=0 if wide else _LEAVING.get(title, 0))
        for title in titles
    ]
    invocation.listing(found, columns, rows, none=f"{name} has no release.")


async def diff(
    invocation: Invocation,
    name: options.Deployment,
    before: Annotated[int, typer.Argument(metavar="N", min=1, help="Number of a release.")],
    after: Annotated[int, typer.Argument(metavar="M", min=1, help="Number of another one.")],
) -> None:
    """Show how two releases of a deployment differ."""
    from slipway.plans import show_changes

    async with invocation.client() as slipway:
        found = await slipway.difference(name, before, after)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    if not found.changes:
        invocation.advise(f"Releases {before} and {after} of {name} have the same version and configuration.")
        return
    show_changes(invocation, found.changes)


def _cells(entry: "HistoryEntry") -> dict[str, str]:
    from slipway.plans import spoken_value
    from slipway.rendering import spoken_time

    told = f"{entry.failure.reason}: {entry.failure.message}" if entry.failure else entry.description
    return {
        "RELEASE": str(entry.release),
        "STATE": entry.outcome,
        "VERSION": entry.version_label or "-",
        "CAUSE": entry.cause if entry.copy_of is None else f"{entry.cause} of {entry.copy_of}",
        "ALIAS": entry.alias,
        "REPLICAS": str(entry.replicas),
        "CREATED": spoken_time(entry.created_at),
        "BY": entry.user,
        "GROUP": entry.group,
        "TARGET": entry.target,
        "TYPE": entry.instance_type or "-",
        "LIVE": spoken_time(entry.live_at),
        "ENDED": spoken_time(entry.ended_at),
        "STOPPED": "yes" if entry.stopped else "",
        "RESTORABLE": "yes" if entry.restorable else "no",
        "IMAGES": " ".join(f"{name}={digest}" for name, digest in entry.images.items()),
        "METADATA": spoken_value(dict(entry.metadata)),
        "DESCRIPTION": told,
    }


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (history, diff):
        app.command(rich_help_panel=PANEL)(connected(body))
