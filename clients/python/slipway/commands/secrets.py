"""`secret`: values that replicas get and that nobody can read back."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from slipway.errors import InvalidInputError
from slipway.invocation import Invocation, add_commands

PANEL: Final = "Secrets and access"
SecretName = Annotated[str, typer.Argument(metavar="SECRET", help="Name of the secret, as database-url.")]


async def set_secret(
    invocation: Invocation,
    name: SecretName,
    *,
    from_file: Annotated[
        Path | None,
        typer.Option("--from-file", metavar="FILE", help="Read the value there; default: standard input."),
    ] = None,
) -> None:
    """Give a secret of the group a new version.

    The value comes from standard input or from a file, whole, but for one line feed at its end. It is never
    an argument: other users of this machine can see those.
    """
    value = _value(name, from_file)
    async with invocation.client() as slipway:
        found = await slipway.secrets.set(name, value)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    invocation.advise(
        f"Secret {name} has version {found.version}. Releases keep the one they were made with."
    )


async def list_secrets(invocation: Invocation) -> None:
    """List the secrets of the group with their newest versions, never their values."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.secrets.all()]
    rows = [(each.name, str(each.version), spoken_time(each.changed_at), each.changed_by) for each in found]
    columns = [Column(title=title) for title in ("SECRET", "VERSION", "CHANGED", "BY")]
    invocation.listing(found, columns, rows, none=f"The group {invocation.group} has no secret.")


async def remove_secret(
    invocation: Invocation,
    name: SecretName,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Although releases refer to it, which then start no more.")
    ] = False,
) -> None:
    """Remove a secret with all its versions."""
    async with invocation.client() as slipway:
        await slipway.secrets.remove(name, force=force)
    invocation.answer({"name": name, "removed": True}, f"Secret {name} is removed.")


def _value(name: str, from_file: Path | None) -> str:
    if from_file is None and sys.stdin.isatty():
        return str(typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True))
    try:
        raw = from_file.read_bytes() if from_file else sys.stdin.buffer.read()
        return raw.decode().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        source = from_file or "standard input"
        raise InvalidInputError(f"{source} cannot be read as text: {error}") from error


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Values that replicas get and nobody reads back.")
    add_commands(group, {"set": set_secret, "list": list_secrets, "rm": remove_secret}, {})
    app.add_typer(group, name="secret", rich_help_panel=PANEL)
