"""`start`, `stop`, `rm` and `cancel`: the beginning and the end of what is there."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from slipway.client import Slipway
    from slipway.documents import Accepted

PANEL: Final = "Run and end"


async def start(invocation: Invocation, name: options.Deployment, *, no_wait: options.NoWait = False) -> None:
    """Run a stopped deployment again, as it was."""
    from slipway.results import show_release
    from slipway.waiting import finish

    async with invocation.client() as slipway:
        accepted = await slipway.start(name)
        outcome = await finish(invocation, slipway, accepted, no_wait=no_wait)
        if outcome is not None:
            await show_release(invocation, slipway, accepted, outcome)


async def stop(invocation: Invocation, name: options.Deployment, *, no_wait: options.NoWait = False) -> None:
    """Take a deployment off its route; end its replicas."""
    async with invocation.client() as slipway:
        await _carry_out(invocation, slipway, slipway.stop(name), f"{name} is STOPPED.", no_wait=no_wait)


async def rm(invocation: Invocation, name: options.Deployment, *, no_wait: options.NoWait = False) -> None:
    """Stop and delete a deployment, without asking."""
    async with invocation.client() as slipway:
        await _carry_out(invocation, slipway, slipway.delete(name), f"{name} is DELETED.", no_wait=no_wait)


async def cancel(
    invocation: Invocation,
    name: options.Deployment,
    *,
    build: Annotated[str | None, typer.Option(metavar="ID", help="End this build instead.")] = None,
    no_wait: options.NoWait = False,
) -> None:
    """End the release on its way, or a build.

    What served before still serves.
    """
    async with invocation.client() as slipway:
        command = slipway.cancel_build(name, build) if build else slipway.cancel(name)
        what = f"Build {build}" if build else f"The release of {name} that was on its way"
        await _carry_out(invocation, slipway, command, f"{what} is CANCELED.", no_wait=no_wait)


async def _carry_out(
    invocation: Invocation, slipway: "Slipway", command: "Awaitable[Accepted]", done: str, *, no_wait: bool
) -> None:
    from slipway.results import show_end
    from slipway.waiting import finish

    accepted = await command
    outcome = await finish(invocation, slipway, accepted, no_wait=no_wait)
    if outcome is not None:
        show_end(invocation, accepted, outcome, done)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (start, stop, rm, cancel):
        app.command(rich_help_panel=PANEL)(connected(body))
