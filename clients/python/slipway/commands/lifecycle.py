"""`start`, `stop`, `cancel`, `delete`, `undelete` and `purge`: the beginning and the end of what is there."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

import sys
from typing import Annotated, Final

import typer

from slipway import options
from slipway.errors import InvalidInputError
from slipway.invocation import Invocation, mutating

PANEL: Final = "Run and end"


async def start(invocation: Invocation, name: options.Deployment) -> None:
    """Run a stopped deployment again, as it was, with all its aliases."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        await carry_out(invocation, slipway, slipway.start(name))


async def stop(invocation: Invocation, name: options.Deployment) -> None:
    """Take a deployment off its routes; end its replicas.

    It should end within 5 minutes; `slipway set --stop-deadline` says otherwise.
    """
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        await carry_out(invocation, slipway, slipway.stop(name), done=f"{name} is STOPPED.")


async def cancel(
    invocation: Invocation,
    name: options.Deployment,
    *,
    build: Annotated[str | None, typer.Option(metavar="ID", help="End this build instead.")] = None,
) -> None:
    """End the release on its way, or a build.

    What served before still serves.
    """
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        mutation = slipway.cancel_build(name, build) if build else slipway.cancel(name)
        what = f"Build {build}" if build else f"The release of {name} that was on its way"
        await carry_out(invocation, slipway, mutation, done=f"{what} is CANCELED.")


async def delete(
    invocation: Invocation,
    name: options.Deployment,
    *,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="hide|unload",
            help="hide keeps every byte, unload removes the images of its versions; default: hide.",
        ),
    ] = None,
) -> None:
    """Stop and delete a deployment, without asking.

    `slipway undelete` brings it back until `slipway purge`.
    """
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        done = f"{name} is DELETED.\nBring it back: {invocation.again('undelete', name)}"
        await carry_out(invocation, slipway, slipway.delete(name, level=level), done=done)


async def undelete(invocation: Invocation, name: options.Deployment) -> None:
    """Bring a deleted deployment back, stopped."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        done = f"{name} is back, and STOPPED.\nRun it: {invocation.again('start', name)}"
        await carry_out(invocation, slipway, slipway.undelete(name), done=done)


async def purge(
    invocation: Invocation,
    name: options.Deployment,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a deployment for good, with its images and its history.

    Asks on a terminal; elsewhere it wants --yes.
    """
    from slipway.carrying_out import carry_out

    if not yes and not invocation.dry_run:
        _confirm(name)
    async with invocation.client() as slipway:
        await carry_out(invocation, slipway, slipway.purge(name), done=f"{name} is PURGED.")


def _confirm(name: str) -> None:
    if not sys.stdin.isatty():
        raise InvalidInputError(
            f"nobody is here to be asked whether {name} shall be purged", hint="Say so with --yes."
        )
    typer.confirm(f"Purge {name}, its versions and its history? Nothing brings them back.", abort=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (start, stop, cancel, delete, undelete, purge):
        app.command(rich_help_panel=PANEL)(mutating(body))
    app.command("rm", hidden=True)(mutating(delete))
