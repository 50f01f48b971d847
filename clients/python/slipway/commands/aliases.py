"""`alias`, `pin` and `unpin`: which releases get requests, and which run on without."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import Annotated, Final

import typer

from slipway import options
from slipway.arguments import parse_shares
from slipway.invocation import Invocation, add_commands, mutating

PANEL: Final = "Aliases"


async def list_aliases(invocation: Invocation, name: options.Deployment) -> None:
    """List the aliases with their releases and the URLs that answer."""
    from slipway.addresses import addresses_of
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = await slipway.aliases(name)
        known = not invocation.as_json and found
        addresses = await addresses_of(slipway, await slipway.deployment(name)) if known else ()
    columns = [Column(title=title) for title in ("ALIAS", "RELEASES", "ENDPOINT", "URL")]
    rows = [row for each in addresses for row in each.rows()]
    invocation.listing(found, columns, rows, none=f"{name} has no alias.")


async def set_alias(
    invocation: Invocation,
    name: options.Deployment,
    alias: options.Alias,
    releases: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RELEASES]", help="A release, as 4, or several by percent, as 3=90 4=10."),
    ] = None,
    *,
    version: Annotated[
        str | None, typer.Option(help="Instead: the newest release of this version, by label or id.")
    ] = None,
) -> None:
    """Move an alias; releases that do not run are started first.

    No request is lost: the alias moves when all its releases are ready.
    """
    from slipway.carrying_out import carry_out

    if bool(releases) == (version is not None):
        raise typer.BadParameter("Give either releases or --version.", param_hint="RELEASES")
    async with invocation.client() as slipway:
        if version is not None:
            mutation = slipway.set_alias(name, alias, version=version)
        else:
            mutation = slipway.set_alias(name, alias, shares=parse_shares(releases or []))
        where = f"version {version}" if version is not None else " ".join(releases or [])
        await carry_out(invocation, slipway, mutation, done=f"{alias} of {name} points at {where}.")


async def remove_alias(invocation: Invocation, name: options.Deployment, alias: options.Alias) -> None:
    """Take an alias away; its releases end where no alias or pin names them."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        mutation = slipway.remove_alias(name, alias)
        await carry_out(invocation, slipway, mutation, done=f"{alias} of {name} is gone.")


async def pin(invocation: Invocation, name: options.Deployment, release: options.ReleaseNumber) -> None:
    """Keep a release running although no alias names it; its version's URL calls it."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        done = f"Release {release} of {name} is pinned."
        await carry_out(invocation, slipway, slipway.pin(name, release), done=done)


async def unpin(invocation: Invocation, name: options.Deployment, release: options.ReleaseNumber) -> None:
    """Let a pinned release end once no alias names it."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        done = f"Release {release} of {name} is no longer pinned."
        await carry_out(invocation, slipway, slipway.unpin(name, release), done=done)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Names that point at releases by weight.")
    add_commands(group, {"list": list_aliases}, {"set": set_alias, "rm": remove_alias})
    app.add_typer(group, name="alias", rich_help_panel=PANEL)
    for body in (pin, unpin):
        app.command(rich_help_panel=PANEL)(mutating(body))
