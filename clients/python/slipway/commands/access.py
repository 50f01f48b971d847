"""`access`: who may call the endpoints of a deployment."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from slipway import options
from slipway.arguments import parse_grace, parse_seconds
from slipway.errors import InvalidInputError
from slipway.invocation import Body, Invocation, add_commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from slipway.client import Slipway
    from slipway.installation_documents import Access, EndpointKey

PANEL: Final = "Secrets and access"
_MODES: Final = {
    "open": "Let every caller in.",
    "basic": "Let callers in with a password; make one with `access user add`.",
    "keys": "Let callers in with a key; issue one with `access key add`.",
}
_BEHIND: Final = {"open": "open", "basic": "behind passwords", "keys": "behind keys"}
KeyId = Annotated[
    str,
    typer.Argument(
        metavar="KEY",
        help="Id of the key, or its name where only one has it; of a rotated one the newer is meant.",
    ),
]
Expiry = Annotated[
    float | None,
    typer.Option(
        "--expires", parser=parse_seconds, metavar="TIME", help="From now on, as 30d or 12h; default: never."
    ),
]
Caller = Annotated[str, typer.Argument(metavar="CALLER", help="Who calls, as `shop`.")]


async def show_access(invocation: Invocation, name: options.Deployment) -> None:
    """Show mode, users and the keys that open something, without passwords and tokens."""
    async with invocation.client() as slipway:
        found = await slipway.access.get(name)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    invocation.terminal.fields(
        [("access", found.mode), ("users", ", ".join(each.name for each in found.users))]
    )
    _show_keys(invocation, found.opening(datetime.now(UTC)))


async def _let_in(invocation: Invocation, slipway: "Slipway", name: str, mode: str) -> str:
    """Say how to let somebody in where nobody is."""
    found = await slipway.access.get(name)
    known = {"basic": found.users, "keys": found.opening(datetime.now(UTC))}
    if known.get(mode, True):
        return ""
    word = {"basic": "user", "keys": "key"}[mode]
    return f"\nNobody has one yet: {invocation.again('access', word, 'add', name, 'CALLER')}"


def _setting(mode: str) -> Body:
    async def set_mode(invocation: Invocation, name: options.Deployment) -> None:
        from slipway.carrying_out import carry_out

        async with invocation.client() as slipway:
            # Read before the change, so that what it answers is not newer than what is said of it.
            let_in = await _let_in(invocation, slipway, name, mode)
            done = f"The endpoints of {name} are {_BEHIND[mode]}.{let_in}"
            await carry_out(invocation, slipway, slipway.access.set_mode(name, mode), done=done)

    set_mode.__doc__ = _MODES[mode]
    return set_mode


async def list_keys(invocation: Invocation, name: options.Deployment) -> None:
    """List the keys, those too that were revoked or have expired."""
    async with invocation.client() as slipway:
        found = await slipway.access.get(name)
    if invocation.as_json:
        invocation.document([each.as_json() for each in found.keys])
    else:
        _show_keys(invocation, found.keys)


async def add_key(
    invocation: Invocation, name: options.Deployment, caller: Caller, *, expires: Expiry = None
) -> None:
    """Issue a key and show it, once."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        mutation = slipway.access.add_key(name, caller, expires_in_seconds=expires)
        await carry_out(
            invocation, slipway, mutation, done=f"The key of {caller} opens {name}.", reveal="token"
        )


async def rotate_key(
    invocation: Invocation,
    name: options.Deployment,
    known: KeyId,
    *,
    expires: Expiry = None,
    grace: Annotated[
        float | None,
        typer.Option(parser=parse_grace, metavar="TIME", help="How long the old one opens; default: 0s."),
    ] = None,
) -> None:
    """Issue a key in the place of another, and show it, once."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        mutation = slipway.access.rotate_key(
            name,
            _key(invocation, await slipway.access.get(name), name, known),
            expires_in_seconds=expires,
            grace_seconds=grace or 0.0,
        )
        done = f"The new key opens {name}."
        await carry_out(invocation, slipway, mutation, done=done, reveal="token")


async def revoke_key(invocation: Invocation, name: options.Deployment, known: KeyId) -> None:
    """Let a key open nothing any more."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        access = await slipway.access.get(name)
        key = _key(invocation, access, name, known)
        done = f"Key {known} of {name} is revoked.{_left_open(invocation, access, name, key)}"
        await carry_out(invocation, slipway, slipway.access.revoke_key(name, key), done=done)


async def add_user(invocation: Invocation, name: options.Deployment, caller: Caller) -> None:
    """Make a user with a generated password and show that, once."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        mutation = slipway.access.add_user(name, caller)
        done = f"User {caller} may call {name}."
        await carry_out(invocation, slipway, mutation, done=done, reveal="password")


async def remove_user(invocation: Invocation, name: options.Deployment, caller: Caller) -> None:
    """Take a user away."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        mutation = slipway.access.remove_user(name, caller)
        await carry_out(invocation, slipway, mutation, done=f"User {caller} of {name} is removed.")


def _key(invocation: Invocation, access: "Access", name: str, key: str) -> str:
    """Return the id of a key, given that or a name that stands for one.

    Raises:
        InvalidInputError: there is no such key, or the name is that of several.
    """
    if key in {each.id for each in access.keys}:
        return key
    named = access.called(key, datetime.now(UTC))
    if len(named) == 1:
        return named[0].id
    found = f"{len(named)} keys are called {key}" if named else f"{name} has no key {key} that opens anything"
    see = invocation.again("access", "key", "list", name)
    raise InvalidInputError(found, hint=f"Give the id of one. See them: {see}")


def _left_open(invocation: Invocation, access: "Access", name: str, key: str) -> str:
    """Say what a revoked key leaves open: those that it came in the place of, in their grace."""
    from slipway.rendering import spoken_time

    return "".join(
        f"\nThe one before it opens until {spoken_time(each.expires_at)}; to end that: "
        + invocation.again("access", "key", "revoke", name, each.id)
        for each in access.opening(datetime.now(UTC))
        if each.replaced_by == key
    )


def _show_keys(invocation: Invocation, keys: "Sequence[EndpointKey]") -> None:
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    columns = [Column(title=title) for title in ("KEY", "ID", "CREATED", "BY", "EXPIRES", "REVOKED")]
    rows = [
        (
            each.name,
            each.id,
            spoken_time(each.created_at),
            each.created_by or "",
            spoken_time(each.expires_at) or "never",
            "yes" if each.revoked else "",
        )
        for each in keys
    ]
    if rows:
        invocation.terminal.table(columns, rows)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Who may call the endpoints of a deployment.")
    add_commands(group, {"show": show_access}, {mode: _setting(mode) for mode in _MODES})
    keys = typer.Typer(no_args_is_help=True, help="Keys of the endpoints, for callers.")
    changes: dict[str, Body] = {"add": add_key, "rotate": rotate_key, "revoke": revoke_key}
    add_commands(keys, {"list": list_keys}, changes)
    users = typer.Typer(no_args_is_help=True, help="Users of basic authentication.")
    add_commands(users, {}, {"add": add_user, "rm": remove_user})
    group.add_typer(keys, name="key")
    group.add_typer(users, name="user")
    app.add_typer(group, name="access", rich_help_panel=PANEL)
