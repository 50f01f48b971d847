"""`audit`: who did what from where, and what was refused."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway.arguments import parse_moment
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.installation_documents import AuditEntry

PANEL: Final = "Look"
_SHOWN: Final = 50
_TITLES: Final = ("SEQUENCE", "TIME", "USER", "FROM", "ACTION", "ABOUT", "OUTCOME")


async def audit(
    invocation: Invocation,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only of this deployment; default: of the group.")
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Of all groups and of the installation; for admins of all groups.")
    ] = False,
    user: Annotated[str | None, typer.Option(help="Only what this user asked for.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(parser=parse_moment, metavar="TIME", help="Not before, as 10m or RFC 3339."),
    ] = None,
    refused: Annotated[
        bool | None, typer.Option("--refused/--accepted", help="Only what was refused, or what was not.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="The newest, at most so many; default: 50, with --json all."),
    ] = None,
) -> None:
    """Show who did what from where, newest first; for admins of the group."""
    wish = {
        "group": None if everything else invocation.group,
        "deployment": name,
        "user": user,
        "since": since.isoformat() if since else None,
        "refused": None if refused is None else str(refused).lower(),
    }
    most = limit or (None if invocation.as_json else _SHOWN)
    async with invocation.client() as slipway:
        given = {key: value for key, value in wish.items() if value is not None}
        found = slipway.installation.audit(given, limit=most)
        if invocation.as_json:
            async for each in found:
                invocation.document(each.as_json())
            return
        _show(invocation, [each async for each in found])


def _show(invocation: Invocation, entries: "list[AuditEntry]") -> None:
    from slipway.terminal import Column

    if not entries:
        invocation.advise("Nothing of this is in the audit.")
        return
    invocation.terminal.table([Column(title=title) for title in _TITLES], [_cells(each) for each in entries])


def _cells(entry: "AuditEntry") -> tuple[str, ...]:
    from slipway.rendering import spoken_time

    about = "/".join(part for part in (entry.group, entry.deployment) if part)
    details = " ".join(f"{name}={value}" for name, value in entry.details.items())
    return (
        str(entry.sequence),
        spoken_time(entry.time),
        entry.user or "(nobody known)",
        entry.address or "",
        entry.action.removesuffix(".v1"),
        " ".join(part for part in (about, details) if part),
        _outcome(entry),
    )


def _outcome(entry: "AuditEntry") -> str:
    if entry.outcome != "refused":
        return entry.outcome
    times = f", {entry.count} times" if entry.count > 1 else ""
    others = f"; {entry.untold} others before were not told" if entry.untold else ""
    return f"{entry.status} {entry.reason}{times}{others}"


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(rich_help_panel=PANEL)(connected(audit))
