"""`rename` and `set`: what is said about a deployment as a whole; no release is made."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import Annotated, Any, Final

import typer

from slipway import options
from slipway.arguments import parse_changes, parse_grace, parse_seconds
from slipway.errors import InvalidInputError
from slipway.invocation import Invocation, mutating

PANEL: Final = "Run and end"


async def rename(
    invocation: Invocation,
    name: options.Deployment,
    new: Annotated[str, typer.Argument(metavar="NEW", help="New name: the part of its URLs.")],
) -> None:
    """Give a deployment another name and URL; its id stays.

    The old URL goes on for a day; `slipway set --rename-grace` says otherwise.
    """
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        done = f"{name} is called {new} now, in its URLs and here; its id stays as it was."
        await carry_out(invocation, slipway, slipway.configure(name, {"name": new}), done=done)


async def change_settings(
    invocation: Invocation,
    name: options.Deployment,
    *,
    description: Annotated[str | None, typer.Option(help="What the deployment is.")] = None,
    meta: Annotated[
        list[str] | None,
        typer.Option("--meta", metavar="K=V|K-", help="Set metadata; K- removes it; repeatable."),
    ] = None,
    stop_deadline: Annotated[
        float | None,
        typer.Option(parser=parse_seconds, metavar="TIME", help="For a stop or delete to end; at first: 5m."),
    ] = None,
    rename_grace: Annotated[
        float | None,
        typer.Option(
            parser=parse_grace, metavar="TIME", help="How long an old name is routed; at first: 24h."
        ),
    ] = None,
) -> None:
    """Change description, metadata or deadlines of a deployment.

    What is not given stays; no release is made, no replica touched.
    """
    from slipway.carrying_out import carry_out

    given: dict[str, Any] = {
        "description": description,
        "metadata": parse_changes(meta or [], option="--meta") or None,
        "stop_deadline_seconds": stop_deadline,
        "rename_grace_seconds": rename_grace,
    }
    changes = {member: value for member, value in given.items() if value is not None}
    if not changes:
        raise InvalidInputError("nothing to set was given", hint="Say what shall change; see --help.")
    async with invocation.client() as slipway:
        await carry_out(invocation, slipway, slipway.configure(name, changes), done=f"{name} is configured.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel=PANEL)(mutating(rename))
    app.command("set", rich_help_panel=PANEL)(mutating(change_settings))
