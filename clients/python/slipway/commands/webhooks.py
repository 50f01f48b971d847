"""`webhook`: where events are sent; for admins of the group, or of all groups with --all-groups."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from slipway.invocation import FAILED, Body, Invocation, add_commands

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.webhook_documents import NewWebhook, Webhook, WebhookPending
    from slipway.webhooks import Webhooks

PANEL: Final = "Secrets and access"
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the webhook.")]
AllGroups = Annotated[
    bool, typer.Option("--all-groups", help="The webhooks of the installation: events of all groups.")
]
Types = Annotated[
    list[str] | None,
    typer.Option("--type", metavar="TYPE", help="Only these, as release.failed or build; repeatable."),
]
Format = Annotated[
    Literal["cloudevents", "cdevents"] | None,
    typer.Option("--format", help="The vocabulary: messages as they are, or their meaning in CDEvents."),
]
From = Annotated[
    int | None,
    typer.Option("--from", metavar="SEQUENCE", min=0, help="Send what lies behind it in the log."),
]


async def create_webhook(
    invocation: Invocation,
    receiver: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent, by POST.")],
    *,
    types: Types = None,
    deployment: Annotated[
        str | None, typer.Option("--deployment", "-d", help="Only events of this one.")
    ] = None,
    description: Annotated[str, typer.Option("--description", help="What it is for.")] = "",
    format_: Format = None,
    after: From = None,
    all_groups: AllGroups = False,
) -> None:
    """Send events to a URL, and show the secret that verifies them, once.

    Warns at once if the platform may not send there, and says what allows it.
    """
    asked = {"url": receiver, "types": types or [], "description": description}
    optional = {"deployment": deployment, "format": format_, "after": after}
    body = asked | {name: value for name, value in optional.items() if value is not None}
    async with invocation.client() as slipway:
        found = await _of(slipway, all_groups=all_groups).create(body)
    _show_secret(invocation, found)
    invocation.note(found.notice)


async def list_webhooks(invocation: Invocation, *, all_groups: AllGroups = False) -> None:
    """List the webhooks and how far each of them is."""
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in _of(slipway, all_groups=all_groups).all()]
    whose = "installation" if all_groups else f"group {invocation.group}"
    rows = [(each.id, each.state, _standing(each), each.url) for each in found]
    columns = [Column(title=title) for title in ("ID", "STATE", "DELIVERY", "URL")]
    invocation.listing(found, columns, rows, none=f"The {whose} has no webhook.")


async def show_webhook(invocation: Invocation, identifier: Id, *, all_groups: AllGroups = False) -> None:
    """Show a webhook: what it gets, how far it is, what waits, when it is tried next, and its last error."""
    async with invocation.client() as slipway:
        found = await _of(slipway, all_groups=all_groups).get(identifier)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    _show(invocation, found)
    invocation.note(found.notice)
    if found.state in ("disabled", "failing"):
        words = ("--all-groups",) if all_groups else ()
        invocation.note(f"Enable it: {invocation.again('webhook', 'enable', identifier, *words)}")


async def update_webhook(
    invocation: Invocation,
    identifier: Id,
    *,
    receiver: Annotated[str | None, typer.Option(metavar="URL", help="Where events are sent now.")] = None,
    types: Types = None,
    description: Annotated[str | None, typer.Option("--description", help="What it is for.")] = None,
    format_: Format = None,
    after: From = None,
    all_groups: AllGroups = False,
) -> None:
    """Change a webhook; one that waits after failures is tried at once, also without any change."""
    given = {
        "url": receiver,
        "types": types,
        "description": description,
        "format": format_,
        "after": after,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    await _change(invocation, identifier, changes, all_groups=all_groups)


async def enable_webhook(
    invocation: Invocation, identifier: Id, *, after: From = None, all_groups: AllGroups = False
) -> None:
    """Send to a webhook again that was disabled, or given up; it goes on where it stopped, or at --from."""
    changes = {"disabled": False} if after is None else {"disabled": False, "after": after}
    await _change(invocation, identifier, changes, all_groups=all_groups)


async def disable_webhook(invocation: Invocation, identifier: Id, *, all_groups: AllGroups = False) -> None:
    """Send nothing to a webhook until it is enabled again."""
    await _change(invocation, identifier, {"disabled": True}, all_groups=all_groups)


async def rotate_webhook(
    invocation: Invocation,
    identifier: Id,
    *,
    grace: Annotated[
        int | None,
        typer.Option("--grace", metavar="SECONDS", min=0, help="Both secrets sign so long; default: a day."),
    ] = None,
    all_groups: AllGroups = False,
) -> None:
    """Give a webhook a new secret and show it, once."""
    async with invocation.client() as slipway:
        found = await _of(slipway, all_groups=all_groups).rotate(identifier, grace_seconds=grace)
    _show_secret(invocation, found)


async def ping_webhook(invocation: Invocation, identifier: Id, *, all_groups: AllGroups = False) -> None:
    """Send a signed test event at once, and say what the receiver answered; exits 1 unless that is 2xx.

    If it is, what waits after earlier failures is sent at once too.
    """
    async with invocation.client() as slipway:
        found = await _of(slipway, all_groups=all_groups).ping(identifier)
    milliseconds = round(found.seconds * 1000)
    if found.delivered:
        text = f"The receiver answered {found.status} within {milliseconds} ms."
    else:
        text = f"Not delivered: {found.problem} (after {milliseconds} ms)."
    invocation.answer(found.as_json(), text)
    invocation.note(found.notice)
    if not found.delivered:
        raise typer.Exit(FAILED)


async def remove_webhook(invocation: Invocation, identifier: Id, *, all_groups: AllGroups = False) -> None:
    """Remove a webhook."""
    async with invocation.client() as slipway:
        await _of(slipway, all_groups=all_groups).remove(identifier)
    invocation.answer({"id": identifier, "removed": True}, f"Webhook {identifier} is removed.")


async def _change(
    invocation: Invocation, identifier: str, changes: dict[str, Any], *, all_groups: bool
) -> None:
    async with invocation.client() as slipway:
        found = await _of(slipway, all_groups=all_groups).change(identifier, changes)
    invocation.answer(found.as_json(), f"Webhook {found.id} is {found.state}.")
    invocation.note(found.notice)


def _of(slipway: "Slipway", *, all_groups: bool) -> "Webhooks":
    return slipway.installation.webhooks if all_groups else slipway.webhooks


def _show_secret(invocation: Invocation, found: "NewWebhook") -> None:
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    invocation.terminal.fields([("id", found.id), ("secret", found.secret)])
    invocation.terminal.say("Keep the secret now: it is shown here and never again.", style="yellow")


def _show(invocation: Invocation, found: "Webhook") -> None:
    from slipway.rendering import spoken_time

    told = found.delivery
    fields = [
        ("id", found.id),
        ("url", found.url),
        ("state", found.state if found.reason is None else f"{found.state}: {found.reason}"),
        ("types", " ".join(found.types) or "all"),
        ("format", found.format),
        ("deployment", found.deployment or "all"),
        ("description", found.description),
    ]
    if told is not None:
        fields.append(("position", str(told.position)))
        fields += [
            (name, spoken_time(at))
            for name, at in (
                ("delivered", told.delivered_at),
                ("failing since", told.failing_since),
                ("next attempt", told.next_attempt_at),
            )
            if at is not None
        ]
        fields.append(("last error", told.problem or ""))
    if found.pending is not None:
        fields.append(("pending", _pending(found.pending)))
    invocation.terminal.fields([(name, value) for name, value in fields if value])


def _pending(waiting: "WebhookPending") -> str:
    from slipway.rendering import spoken_time

    if not waiting.events:
        return "not counted: the log is long" if waiting.more else "nothing"
    count = f"{'over ' if waiting.more else ''}{waiting.events} event{'s' if waiting.events > 1 else ''}"
    first = f"{waiting.first_type} of {spoken_time(waiting.first_at)} (sequence {waiting.first_sequence})"
    return f"{count}; first {first}"


def _standing(found: "Webhook") -> str:
    told = found.delivery
    if told is None:
        return "not begun"
    if found.notice is not None and found.state == "active":
        return "may not be reached"
    if told.failures or told.hindered:
        from slipway.rendering import counted

        if told.failures:
            return counted(told.failures, "failure")
        return f"{counted(told.hindered, 'time')} not reached"
    return f"at {told.position}"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Where events are sent as they happen, signed.")
    bodies: dict[str, Body] = {
        "create": create_webhook,
        "list": list_webhooks,
        "show": show_webhook,
        "update": update_webhook,
        "enable": enable_webhook,
        "disable": disable_webhook,
        "rotate": rotate_webhook,
        "ping": ping_webhook,
        "test": ping_webhook,
        "rm": remove_webhook,
    }
    add_commands(group, bodies, {})
    app.add_typer(group, name="webhook", rich_help_panel=PANEL)
