"""What there is and how it stands: `ls` and `show`."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.arguments import parse_pairs, parse_position
from slipway.errors import InvalidInputError
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.documents import DeploymentDetail

PANEL: Final = "Look"
_STATES: Final = frozenset(
    {
        *("NEW", "DEPLOYING", "DEPLOYED", "DEGRADED", "UNAVAILABLE", "UNKNOWN", "FAILED"),
        *("STOPPING", "STOPPED", "DELETING", "DELETED", "PURGING", "PURGED"),
    }
)


async def ls(  # noqa: PLR0913 - one per option
    invocation: Invocation,
    *,
    in_state: Annotated[
        list[str] | None,
        typer.Option(metavar="STATE", help="Only these, as FAILED; repeatable; default: all but deleted."),
    ] = None,
    search: Annotated[
        str | None, typer.Option("--search", "-q", metavar="WORDS", help="Only where words begin so.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Only on this target.")] = None,
    version: Annotated[str | None, typer.Option(help="Only where this version serves.")] = None,
    meta: Annotated[
        list[str] | None, typer.Option("--meta", metavar="K=V", help="Only with this metadata; repeatable.")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only those that you created.")] = False,
    sort: Annotated[
        str | None,
        typer.Option(metavar="ORDER", help="id, created or changed, -changed for newest first; default: id."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many; default: all.")] = None,
) -> None:
    """List the deployments of the group."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    state = invocation.state
    if state is not None and state.name.upper() in _STATES and not state.exists():
        raise InvalidInputError(
            f"--state names the folder of a platform, and {state} is the state of a deployment",
            hint=f"Say: slipway ls --in-state {state.name.upper()}",
        )
    metadata = parse_pairs(meta or [], option="--meta") or {}
    given: dict[str, list[str | None]] = {
        "state": [each.upper() for each in in_state or []],
        "q": [search],
        "target": [target],
        "version": [version],
        "metadata": [f"{name}={value}" for name, value in metadata.items()],
        "mine": ["true" if mine else None],
        "sort": [sort],
    }
    wish = {name: [value for value in values if value is not None] for name, values in given.items()}
    async with invocation.client() as slipway:
        found = [each async for each in slipway.deployments(wish, limit=limit)]
    columns = [
        *(Column(title=title) for title in ("NAME", "STATE")),
        Column(title="RELEASE", leaves=1),
        Column(title="VERSION", leaves=2),
        Column(title="READY"),
        Column(title="CHANGED", leaves=3),
    ]
    rows = [
        (
            each.id if each.name in {"", each.id} else f"{each.id} ({each.name})",
            each.state,
            str(each.live_release or "-"),
            each.version_label or "-",
            f"{each.ready}/{each.replicas}",
            spoken_time(each.changed_at),
        )
        for each in found
    ]
    if any(wish.values()):
        none = f"No deployment of the group {invocation.group} is like that."
    else:
        none = f"The group {invocation.group} has no deployment. Make one: slipway deploy PATH"
    invocation.listing(found, columns, rows, none=none)


async def show(
    invocation: Invocation,
    name: options.Deployment,
    *,
    at: Annotated[
        str | None,
        typer.Option(
            parser=parse_position,
            metavar="MOMENT",
            help="As it was at this sequence of the log, or at this time, as 10m or 2026-01-31T12:00:00Z.",
        ),
    ] = None,
) -> None:
    """Show a deployment: what serves, where it is called, and why it failed."""
    from slipway.addresses import addresses_of

    async with invocation.client() as slipway:
        found = await slipway.deployment(name, at=at)
        past = invocation.as_json or found.as_of is not None
        addresses = () if past else await addresses_of(slipway, found)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    terminal = invocation.terminal
    terminal.fields(_status(found))
    if found.as_of is None:
        rows = [row for each in addresses for row in each.rows()]
        _table(invocation, ("ALIAS", "RELEASES", "ENDPOINT", "URL"), rows)
    else:
        _table(invocation, ("ALIAS", "RELEASES"), _aliases(found))
    _table(invocation, ("CONDITION", "TRUE", "WHY"), _conditions(found))
    if found.call_example and found.as_of is None:
        terminal.say(f"Call it: {found.call_example}")
    if found.failure is not None:
        terminal.failure(_what_failed(found), found.failure.as_json())


def _table(invocation: Invocation, titles: "Sequence[str]", rows: "Sequence[Sequence[str]]") -> None:
    from slipway.terminal import Column

    if rows:
        columns = [Column(title=title, wraps=title == "WHY") for title in titles]
        invocation.terminal.table(columns, rows)


def _aliases(found: "DeploymentDetail") -> "Sequence[Sequence[str]]":
    from slipway.rendering import spoken_shares

    return [(each.alias, spoken_shares(each)) for each in found.aliases]


def _conditions(found: "DeploymentDetail") -> "Sequence[Sequence[str]]":
    said = {True: "yes", False: "no", None: "not known"}
    return [(each.type, said[each.status], f"{each.reason}: {each.message}") for each in found.conditions]


def _what_failed(found: "DeploymentDetail") -> str:
    crashes = found.failure is not None and found.failure.reason == "CrashLoop"
    return "What serves crashes over and over" if crashes else "The newest release failed"


def _status(found: "DeploymentDetail") -> list[tuple[str, str]]:
    from slipway.rendering import spoken_time

    coming, overdue = found.next, found.overdue
    return [
        ("name", found.name or found.id),
        ("id", found.id if found.name not in {"", found.id} else ""),
        ("group", found.group),
        ("as of", f"sequence {found.as_of}" if found.as_of is not None else ""),
        ("description", found.description),
        ("metadata", " ".join(f"{name}={value}" for name, value in found.metadata.items())),
        ("state", found.state),
        ("overdue", f"since {spoken_time(overdue.since)}, owed by {overdue.owed_by}" if overdue else ""),
        ("release", str(found.live_release or "")),
        ("version", found.version_label or ""),
        ("ready", f"{found.ready} of {found.replicas} replicas"),
        ("on its way", f"release {coming.number} {coming.state}" if coming else ""),
        ("pinned", " ".join(map(str, found.pins))),
        ("target", found.target or ""),
        ("access", found.settings.access if found.settings and found.settings.access != "open" else ""),
        ("old names", _former(found)),
        ("deleted", found.deleted or ""),
        ("left over", "; ".join(found.leftovers)),
        ("created", f"{spoken_time(found.created_at)} by {found.created_by}"),
        ("changed", spoken_time(found.changed_at)),
    ]


def _former(found: "DeploymentDetail") -> str:
    from slipway.rendering import spoken_time

    names = found.settings.former_names if found.settings else ()
    return ", ".join(f"{each.name} until {spoken_time(each.until)}" for each in names)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (ls, show):
        app.command(rich_help_panel=PANEL)(connected(body))
