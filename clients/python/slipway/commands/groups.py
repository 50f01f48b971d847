"""`group`: who may deploy what, how much of it, and how much is in use."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from slipway.arguments import parse_bytes, parse_changes
from slipway.errors import ProblemError
from slipway.invocation import Invocation, add_commands

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.installation_documents import Amount, Group

PANEL: Final = "Installation"
_RESOURCES: Final = ("deployments", "replicas", "cpu", "memory_bytes", "gpu")
GroupName = Annotated[str, typer.Argument(metavar="GROUP", help="Group.")]


def _limit(metavar: str, what: str) -> Any:  # noqa: ANN401 - Typer's own type is private
    return typer.Option(metavar=metavar, help=f"Most {what}, or `none` for no limit.")


Limit = str | None


async def list_groups(invocation: Invocation) -> None:
    """List your groups with what they hold."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.installation.groups()]
    columns = [Column(title=title) for title in ("GROUP", "ROLE", "DEPLOYS", "DESCRIPTION")]
    rows = [
        (each.name, each.role or "", "yes" if each.deployments_enabled else "no", each.description)
        for each in found
    ]
    invocation.listing(found, columns, rows, none="There is no group that you may see.")


async def show_group(invocation: Invocation, name: GroupName) -> None:
    """Show members, and use against quota."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = await slipway.installation.group(name)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    terminal = invocation.terminal
    terminal.fields(
        [
            ("group", found.name),
            ("description", found.description),
            ("your role", found.role or ""),
            ("deploys", "yes" if found.deployments_enabled else "no"),
            *((f"member {each.user}", each.role) for each in found.members),
        ]
    )
    columns = [Column(title="RESOURCE"), Column(title="USED", right=True), Column(title="LIMIT", right=True)]
    rows = [
        (each.removesuffix("_bytes"), _spoken(found.use, each) or "?", _spoken(found.quota, each) or "none")
        for each in _RESOURCES
    ]
    terminal.table(columns, rows)


async def set_group(  # noqa: PLR0913 - one per option
    invocation: Invocation,
    name: GroupName,
    *,
    description: Annotated[str | None, typer.Option(help="What the group is.")] = None,
    deployments: Annotated[Limit, _limit("N", "deployments")] = None,
    replicas: Annotated[Limit, _limit("N", "replicas")] = None,
    cpu: Annotated[Limit, _limit("CORES", "cores")] = None,
    memory: Annotated[Limit, _limit("SIZE", "memory, as 64Gi")] = None,
    gpu: Annotated[Limit, _limit("N", "GPUs")] = None,
    enabled: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Whether it may deploy; at first: it may.")
    ] = None,
    member: Annotated[
        list[str] | None,
        typer.Option(
            metavar="USER=ROLE|USER-", help="viewer, deployer or admin; USER- takes out; repeatable."
        ),
    ] = None,
) -> None:
    """Make a group, or change one; what is not given stays, and at first there is no limit."""
    given = {"deployments": deployments, "replicas": replicas, "cpu": cpu, "memory_bytes": memory, "gpu": gpu}
    limits = {each: _parsed(each, text) for each, text in given.items() if text is not None}
    members = parse_changes(member or [], option="--member")
    async with invocation.client() as slipway:
        body, etag = await _current(slipway, name)
        body["quota"] = {**body["quota"], **limits}
        body["members"] = _merged(body["members"], members)
        changes = {"description": description, "deployments_enabled": enabled}
        body |= {each: value for each, value in changes.items() if value is not None}
        answer = await slipway.installation.set_group(name, body, if_match=etag)
    invocation.answer(
        answer.as_json(), f"Group {name} is configured. See it: {invocation.again('group', 'show', name)}"
    )


async def _current(slipway: "Slipway", name: str) -> tuple[dict[str, Any], str | None]:
    try:
        found: Group | None = await slipway.installation.group(name)
    except ProblemError as error:
        if error.reason != "GroupNotFound":
            raise
        found = None
    quota = {each: getattr(found.quota, each, None) for each in _RESOURCES} if found else {}
    body: dict[str, Any] = {
        "description": found.description if found else "",
        "deployments_enabled": found.deployments_enabled if found else True,
        "quota": {each: value for each, value in quota.items() if value is not None},
        "members": [{"user": each.user, "role": each.role} for each in found.members] if found else [],
    }
    return body, found.etag if found else None


def _merged(members: list[dict[str, str]], changes: dict[str, str | None]) -> list[dict[str, str]]:
    kept = [each for each in members if each["user"] not in changes]
    return kept + [{"user": user, "role": role} for user, role in changes.items() if role is not None]


def _parsed(resource: str, text: str) -> float | int | None:
    if text == "none":
        return None
    if resource == "memory_bytes":
        return parse_bytes(text)
    try:
        return float(text) if resource == "cpu" else int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no number; write `none` for no limit.") from None


def _spoken(amount: "Amount | None", resource: str) -> str:
    from slipway.rendering import spoken_binary

    value = getattr(amount, resource, None)
    if value is None:
        return ""
    return spoken_binary(value) if resource == "memory_bytes" else f"{value:g}"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Owners of deployments, with members and quotas.")
    add_commands(group, {"list": list_groups, "show": show_group, "set": set_group}, {})
    app.add_typer(group, name="group", rich_help_panel=PANEL)
