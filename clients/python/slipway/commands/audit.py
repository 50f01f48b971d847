"""`audit`: who did what from where, and what was refused."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway.arguments import parse_moment
from slipway.errors import SlipwayError
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slipway.installation_documents import AuditEntry

PANEL: Final = "Look"
_SHOWN: Final = 50
_TITLES: Final = ("SEQUENCE", "TIME", "USER", "FROM", "ACTION", "ABOUT", "OUTCOME")

_SENTENCES: Final = frozenset({"ACTION", "OUTCOME"})
_LEAVING: Final = {"FROM": 3, "SEQUENCE": 2, "ABOUT": 1}
"""In which order columns leave a narrow terminal."""


async def audit(  # noqa: PLR0913 - one per option
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
    until: Annotated[
        datetime | None,
        typer.Option(parser=parse_moment, metavar="TIME", help="Before, as 10m or RFC 3339."),
    ] = None,
    behind: Annotated[
        int | None,
        typer.Option("--from", metavar="SEQUENCE", min=0, help="Only behind this one: go on with an export."),
    ] = None,
    refused: Annotated[
        bool | None,
        typer.Option("--refused/--accepted", help="Only what got an error, or what the log has."),
    ] = None,
    oldest_first: Annotated[
        bool, typer.Option("--oldest-first", help="In the order in which it happened, as exports need it.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many; default: 50, with --json all."),
    ] = None,
) -> None:
    """Show who did what from where, newest first; for admins of the group.

    `--json --oldest-first` exports it, an entry per line; `--from`, with the sequence of the last line, goes
    on with what came since.
    """
    wish = {
        "group": None if everything else invocation.group,
        "deployment": name,
        "user": user,
        "since": since.isoformat() if since else None,
        "until": until.isoformat() if until else None,
        "from": None if behind is None else str(behind),
        "refused": None if refused is None else str(refused).lower(),
        "order": "oldest" if oldest_first else None,
    }
    most = limit or (None if invocation.as_json else _SHOWN)
    async with invocation.client() as slipway:
        given = {key: value for key, value in wish.items() if value is not None}
        found = slipway.installation.audit(given, limit=most)
        if invocation.as_json:
            await _export(invocation, found, in_order_of_the_log=oldest_first and not (since or until))
            return
        _show(invocation, [each async for each in found])


async def _export(
    invocation: Invocation, found: "AsyncIterator[AuditEntry]", *, in_order_of_the_log: bool
) -> None:
    last: int | None = None
    try:
        async for each in found:
            invocation.document(each.as_json())
            last = each.sequence
    except SlipwayError as error:
        if last is not None and in_order_of_the_log:
            error.hint = f"{error.hint} What was written is good; go on with --from {last}.".strip()
        raise


def _show(invocation: Invocation, entries: "list[AuditEntry]") -> None:
    from slipway.terminal import Column

    if not entries:
        invocation.advise("Nothing of this is in the audit.")
        return
    columns = [
        Column(title=title, wraps=title in _SENTENCES, leaves=_LEAVING.get(title, 0)) for title in _TITLES
    ]
    invocation.terminal.table(columns, [_cells(each) for each in entries])


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
    if entry.outcome == "accepted":
        return entry.outcome
    words = [f"{entry.status} {entry.reason}"]
    if entry.outcome == "unknown":
        words.append(f"the log may have {entry.unconfirmed}")
    elif entry.outcome == "partial":
        words.append("the log has some of it")
    words += ["of a dry run"] * entry.dry_run
    words += [f"{entry.count} times"] * (entry.count > 1)
    words += [f"and {entry.others} more of this client"] * (entry.others > 0)
    words += [f"and {entry.untold} more of others"] * (entry.untold > 0)
    return ", ".join(words)


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(rich_help_panel=PANEL)(connected(audit))
