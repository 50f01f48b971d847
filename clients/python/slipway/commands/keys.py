"""`key`: the API keys of this installation; for admins of all groups."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import Annotated, Final

import typer

from slipway.arguments import parse_pairs
from slipway.invocation import Invocation, add_commands

PANEL: Final = "Installation"


async def create_key(
    invocation: Invocation,
    user: Annotated[str, typer.Argument(metavar="USER", help="Whose key it is; shown in every history.")],
    *,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GROUP=ROLE",
            help="viewer, deployer or admin in a group, or in all as '*=viewer'; repeatable; "
            "default: deployer in --group.",
        ),
    ] = None,
) -> None:
    """Make an API key and show it, once."""
    roles = parse_pairs(grant or [], option="--grant") or {invocation.group: "deployer"}
    async with invocation.client() as slipway:
        grants = [{"group": group, "role": role} for group, role in roles.items()]
        found = await slipway.installation.create_key(user, grants)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    invocation.terminal.fields([("key", found.secret), ("id", found.id)])
    invocation.terminal.say("Keep the key now: it is shown here and never again.", style="yellow")


async def list_keys(invocation: Invocation) -> None:
    """List the API keys that open something, never the keys themselves."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.installation.api_keys()]
    rows = [
        (each.id, each.user, " ".join(f"{grant['group']}={grant['role']}" for grant in each.grants))
        for each in found
    ]
    columns = [Column(title=title) for title in ("ID", "USER", "GRANTS")]
    invocation.listing(found, columns, rows, none="No API key opens anything.")


async def revoke_key(
    invocation: Invocation, identifier: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")]
) -> None:
    """Let an API key open nothing any more."""
    async with invocation.client() as slipway:
        await slipway.installation.revoke_key(identifier)
    invocation.answer({"id": identifier, "revoked": True}, f"Key {identifier} opens nothing any more.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="API keys of users and pipelines.")
    add_commands(group, {"create": create_key, "list": list_keys, "revoke": revoke_key}, {})
    app.add_typer(group, name="key", rich_help_panel=PANEL)
