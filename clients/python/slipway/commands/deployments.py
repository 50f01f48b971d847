"""What there is and how it stands: `ls`, `show`, `history`, `versions`."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import TYPE_CHECKING, Final

import typer

from slipway import options
from slipway.invocation import Invocation, connected

if TYPE_CHECKING:
    from slipway.documents import DeploymentDetail, Failure

PANEL: Final = "Look"


async def ls(invocation: Invocation) -> None:
    """List the deployments of the group."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.deployments()]
    if invocation.as_json:
        invocation.document([each.as_json() for each in found])
        return
    if not found:
        invocation.advise(f"The group {invocation.group} has no deployment. Make one: slipway deploy PATH")
        return
    columns = ("NAME", "STATE", "RELEASE", "VERSION", "READY", "CHANGED")
    rows = [
        (
            each.id,
            each.state,
            str(each.live_release or "-"),
            each.version_label or "-",
            f"{each.ready}/{each.replicas}",
            spoken_time(each.changed_at),
        )
        for each in found
    ]
    invocation.terminal.table([Column(title=title) for title in columns], rows)


async def show(invocation: Invocation, name: options.Deployment) -> None:
    """Show a deployment, its endpoints, and why it failed."""
    async with invocation.client() as slipway:
        found = await slipway.deployment(name)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    _show_status(invocation, found)
    terminal = invocation.terminal
    if found.endpoints:
        terminal.say("Endpoints", style="bold")
        terminal.fields([(f"  {each.name}", each.url) for each in found.endpoints])
    wrong = [each for each in found.conditions if each.status is not True]
    if wrong:
        terminal.say("Not true, or not known", style="bold")
        terminal.fields([(f"  {each.type}", f"{each.reason}: {each.message}".strip(": ")) for each in wrong])
    if found.failure is not None:
        terminal.failure("The newest release failed", found.failure.as_json())


def _show_status(invocation: Invocation, found: "DeploymentDetail") -> None:
    from slipway.rendering import spoken_time

    coming, overdue = found.next, found.overdue
    invocation.terminal.fields(
        [
            ("name", found.id),
            ("group", found.group),
            ("state", found.state),
            ("overdue", f"since {spoken_time(overdue.since)}, owed by {overdue.owed_by}" if overdue else ""),
            ("release", str(found.live_release or "")),
            ("version", found.version_label or ""),
            ("ready", f"{found.ready} of {found.replicas} replicas"),
            ("on its way", f"release {coming.number} {coming.state}" if coming else ""),
            ("target", found.target or ""),
            ("created", f"{spoken_time(found.created_at)} by {found.created_by}"),
            ("changed", spoken_time(found.changed_at)),
        ]
    )


async def history(invocation: Invocation, name: options.Deployment, *, limit: options.Limit = 50) -> None:
    """List the releases of a deployment, newest first."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.releases(name, limit=limit)]
    if invocation.as_json:
        invocation.document([each.as_json() for each in found])
        return
    if not found:
        invocation.advise(f"{name} has no release.")
        return
    columns = ("RELEASE", "STATE", "VERSION", "CAUSE", "REPLICAS", "CREATED", "BY", "DESCRIPTION")
    rows = [
        (
            str(each.number),
            each.state,
            each.version_label or "-",
            each.cause,
            str(each.config.replicas),
            spoken_time(each.created_at),
            each.created_by,
            _described(each.config.description, each.failure),
        )
        for each in found
    ]
    invocation.terminal.table([Column(title=title) for title in columns], rows)


async def versions(invocation: Invocation, name: options.Deployment, *, limit: options.Limit = 50) -> None:
    """List the versions of a deployment, newest first."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.versions(name, limit=limit)]
    if invocation.as_json:
        invocation.document([each.as_json() for each in found])
        return
    if not found:
        invocation.advise(f"{name} has no version.")
        return
    columns = ("VERSION", "ID", "PYTHON", "PLATFORM", "CREATED", "BY")
    rows = [
        (each.label, each.id, each.python, each.platform, spoken_time(each.created_at), each.created_by)
        for each in found
    ]
    invocation.terminal.table([Column(title=title) for title in columns], rows)


def _described(description: str, failure: "Failure | None") -> str:
    return description if failure is None else f"{failure.reason}: {failure.message}"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for body in (ls, show, history, versions):
        app.command(rich_help_panel=PANEL)(connected(body))
