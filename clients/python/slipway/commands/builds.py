"""`build` and `builds`: versions made without deploying them, and the builds there were."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.invocation import Invocation, connected, mutating

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway.tracking import Outcome

DEPLOY: Final = "Deploy"
LOOK: Final = "Look"


async def build(
    invocation: Invocation,
    path: Annotated[Path, typer.Argument(help="Source folder.")],
    *,
    name: options.Name = None,
    label: options.Label = None,
) -> None:
    """Build a folder into a version; deploy nothing.

    A build ends after 30 minutes at the latest, unless the installation says otherwise.
    """
    from slipway.archive import name_of
    from slipway.carrying_out import carry_out
    from slipway.uploading import upload

    name = name or name_of(path)
    async with invocation.client() as slipway:
        source = await upload(invocation, slipway, path)
        building = slipway.build(name, source=source, label=label)
        await carry_out(invocation, slipway, building, done=_made(invocation, name))


def _made(invocation: Invocation, name: str) -> "Callable[[Outcome], str]":
    def said(outcome: "Outcome") -> str:
        deploy = invocation.again("deploy", str(outcome.version), "--name", name)
        return f"Version {outcome.version} of {name} is made.\nDeploy it: {deploy}"

    return said


async def builds(invocation: Invocation, name: options.Deployment, *, limit: options.Limit = 50) -> None:
    """List the builds of a deployment, newest first."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.builds(name, limit=limit)]
        if not found:
            await slipway.require(name)
    columns = [
        *(Column(title=title) for title in ("BUILD", "STATE", "VERSION")),
        Column(title="CREATED", leaves=1),
        Column(title="BY", leaves=2),
        Column(title="REASON"),
    ]
    rows = [
        (
            each.id,
            each.state,
            each.label or "-",
            spoken_time(each.created_at),
            each.created_by,
            each.failure.reason if each.failure else "",
        )
        for each in found
    ]
    invocation.listing(found, columns, rows, none=f"{name} has no build.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(rich_help_panel=DEPLOY)(mutating(build))
    app.command(rich_help_panel=LOOK)(connected(builds))
