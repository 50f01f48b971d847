"""`artifact`: stored files; listed, found in storage, adopted, hidden."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from dataclasses import replace
from typing import Annotated, Final

import typer

from slipway.errors import InvalidInputError
from slipway.invocation import Body, Invocation, add_commands

PANEL: Final = "Installation"
Digest = Annotated[str, typer.Argument(metavar="DIGEST", help="Digest of the artifact, as sha256:….")]


async def list_artifacts(
    invocation: Invocation,
    *,
    hidden: Annotated[bool, typer.Option("--hidden", help="The hidden ones instead.")] = False,
) -> None:
    """List the artifacts of the group that are not hidden."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.artifacts.all(hidden=hidden)]
    rows = [(each.digest, _size(each.size_bytes), each.origin, each.name or "") for each in found]
    columns = [Column(title=title) for title in ("DIGEST", "SIZE", "ORIGIN", "NAME")]
    none = f"The group {invocation.group} has no {'hidden ' if hidden else ''}artifact."
    invocation.listing(found, columns, rows, none=none)


async def list_found(invocation: Invocation) -> None:
    """List files that were placed in storage by hand and can be adopted."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.artifacts.found()]
    rows = [(each.path, _size(each.size_bytes)) for each in found]
    columns = [Column(title="FILE"), Column(title="SIZE", right=True)]
    none = "Nothing that was placed in storage by hand waits to be adopted."
    invocation.listing(found, columns, rows, none=none)


async def adopt(
    invocation: Invocation,
    path: Annotated[str, typer.Argument(metavar="FILE", help="As `artifact found` shows it.")],
    *,
    as_version_of: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Build it to a version of this deployment; default: do not."),
    ] = None,
    label: Annotated[str | None, typer.Option(help="Label of the version; default: YYYYMMDD.N.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return once the build is accepted.")] = False,
) -> None:
    """Make a found file an artifact of the group, or a version."""
    from slipway.carrying_out import carry_out

    if label is not None and as_version_of is None:
        raise InvalidInputError("--label names a version: say whose with --as-version-of")
    async with invocation.client() as slipway:
        if as_version_of is None:
            artifact = await slipway.artifacts.adopt(path)
            invocation.answer(artifact.as_json(), f"{path} is the artifact {artifact.digest} now.")
            return
        building = slipway.artifacts.adopt_version(path, deployment=as_version_of, label=label)
        done = f"{path} is a version of {as_version_of} now."
        await carry_out(replace(invocation, no_wait=no_wait), slipway, building, done=done)


async def hide(invocation: Invocation, digest: Digest) -> None:
    """Take an artifact out of lists and out of use; its bytes stay."""
    async with invocation.client() as slipway:
        answer = await slipway.artifacts.hide(digest)
    invocation.answer(answer.as_json(), f"{digest} is hidden.")


async def unhide(invocation: Invocation, digest: Digest) -> None:
    """Bring a hidden artifact back."""
    async with invocation.client() as slipway:
        answer = await slipway.artifacts.unhide(digest)
    invocation.answer(answer.as_json(), f"{digest} is back.")


def _size(size: int | None) -> str:
    from slipway.rendering import spoken_size

    return "gone" if size is None else spoken_size(size)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Stored files: models, sources.")
    commands: dict[str, Body] = {
        "list": list_artifacts,
        "found": list_found,
        "adopt": adopt,
        "hide": hide,
        "unhide": unhide,
    }
    add_commands(group, commands, {})
    app.add_typer(group, name="artifact", rich_help_panel=PANEL)
