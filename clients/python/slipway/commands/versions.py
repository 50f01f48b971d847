"""`versions`: what builds made; listed, shown, hidden."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from slipway import options
from slipway.invocation import Body, Invocation, add_commands

PANEL: Final = "Look"
_LIST: Final = "list"

VersionRef = Annotated[str, typer.Argument(metavar="VERSION", help="Label or id of a version.")]


class ListedByDefault(TyperGroup):
    """Takes a first word that is no command for the argument of `list`."""

    # Typer's own copy of click, which has the type of the context, is private.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        """Insert the command that was left out."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [_LIST, *args]
        return super().parse_args(ctx, args)


async def list_versions(
    invocation: Invocation,
    name: options.Deployment,
    *,
    hidden: Annotated[bool, typer.Option("--hidden", help="The hidden ones instead.")] = False,
    limit: options.Limit = 50,
) -> None:
    """List the versions of a deployment, newest first.

    `slipway versions NAME` does it too.
    """
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.versions(name, limit=limit, hidden=hidden)]
        if not found:
            await slipway.require(name)
    columns = [
        Column(title="VERSION"),
        Column(title="ID", leaves=5),
        Column(title="PYTHON", leaves=3),
        Column(title="PLATFORM", leaves=4),
        Column(title="RESTORABLE", leaves=1),
        Column(title="CREATED"),
        Column(title="BY", leaves=2),
    ]
    rows = [
        (
            each.label,
            each.id,
            each.python,
            each.platform,
            "yes" if each.restorable else "no",
            spoken_time(each.created_at),
            each.created_by,
        )
        for each in found
    ]
    invocation.listing(found, columns, rows, none=f"{name} has no {'hidden ' if hidden else ''}version.")


async def show_version(invocation: Invocation, name: options.Deployment, version: VersionRef) -> None:
    """Show a version.

    Its images, endpoints, source, and who made it when.
    """
    from slipway.rendering import spoken_time

    async with invocation.client() as slipway:
        found = await slipway.version(name, version)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    terminal, document = invocation.terminal, found.as_json()
    terminal.fields(
        [
            ("version", found.label),
            ("id", found.id),
            ("python", found.python),
            ("platform", found.platform),
            ("base", str(document.get("base") or "")),
            ("source", str(document.get("source") or "")),
            ("created", f"{spoken_time(found.created_at)} by {found.created_by}"),
            ("hidden", "yes" if document.get("hidden") else ""),
            ("restorable", "" if found.restorable else "no"),
            ("how", _how(invocation, name, document)),
        ]
    )
    for endpoint in (each.as_json() for each in found.endpoints):
        terminal.say(f"Endpoint {endpoint['name']}", style="bold")
        terminal.fields(_of_endpoint(endpoint))
    for notice in document.get("notices") or ():
        terminal.say(f"! {notice}", style="yellow")


def _how(invocation: Invocation, name: str, document: dict[str, Any]) -> str:
    said, source = document.get("how_to_restore"), document.get("source")
    if not said or not source:
        return str(said or "")
    return f"Build its source again: {invocation.again('deploy', str(source), '--name', name)}"


def _of_endpoint(endpoint: dict[str, Any]) -> list[tuple[str, str]]:
    from slipway.plans import spoken_value

    command = endpoint.get("command") or {}
    rest = ("health", "fixed_port", "timeout_seconds", "max_body_bytes", "idempotent", "smoke_test", "layers")
    return [
        ("  image", str(endpoint.get("image") or "")),
        ("  command", str(command.get("shell") or " ".join(command.get("argv") or ()))),
        *((f"  {name.replace('_', ' ')}", spoken_value(endpoint.get(name))) for name in rest),
    ]


async def hide_version(invocation: Invocation, name: options.Deployment, version: VersionRef) -> None:
    """Take a version out of lists and out of use.

    Its bytes stay, and what runs it goes on.
    """
    async with invocation.client() as slipway:
        answer = await slipway.hide_version(name, version)
    back = invocation.again("versions", "unhide", name, version)
    invocation.answer(answer.as_json(), f"Version {version} of {name} is hidden.\nShow it again: {back}")


async def unhide_version(invocation: Invocation, name: options.Deployment, version: VersionRef) -> None:
    """Bring a hidden version back."""
    async with invocation.client() as slipway:
        answer = await slipway.hide_version(name, version, hidden=False)
    invocation.answer(answer.as_json(), f"Version {version} of {name} is back.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(cls=ListedByDefault, no_args_is_help=True, help="What builds made.")
    commands: dict[str, Body] = {
        "list": list_versions,
        "show": show_version,
        "hide": hide_version,
        "unhide": unhide_version,
    }
    add_commands(group, commands, {})
    app.add_typer(group, name="versions", rich_help_panel=PANEL)
