"""`dead`: messages that a service gave up, to be looked at, retried and discarded."""

# ruff: noqa: PLC0415 - what is heavy to import waits until a command runs

import json
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from slipway import options
from slipway.invocation import Body, Invocation, add_commands

if TYPE_CHECKING:
    from slipway.dead_messages import DeadMessage

PANEL: Final = "Look"
_LONGEST_ERROR: Final = 80
_LONGEST_BODY: Final = 4_000
Sequence = Annotated[
    int, typer.Argument(metavar="SEQUENCE", min=1, help="Position in the log, as `dead list` shows it.")
]


class State(StrEnum):
    """What became of a message."""

    OPEN = "open"
    RETRIED = "retried"
    DISCARDED = "discarded"


async def list_dead(
    invocation: Invocation,
    *,
    name: Annotated[str | None, typer.Option(help="Only of this deployment.")] = None,
    in_state: Annotated[State | None, typer.Option(help="Only these; default: all.")] = None,
    limit: options.Limit = 50,
) -> None:
    """List the messages that were given up, newest first."""
    from slipway.rendering import spoken_time
    from slipway.terminal import Column

    async with invocation.client() as slipway:
        found = [each async for each in slipway.dead.all(deployment=name, state=in_state, limit=limit)]
    titles = ("SEQUENCE", "STATE", "MESSAGE", "DEPLOYMENT", "SERVICE", "GIVEN UP", "ERROR")
    columns = [Column(title=title, right=title == "SEQUENCE") for title in titles]
    rows = [
        (
            str(each.sequence),
            each.state,
            each.message_type,
            each.deployment,
            each.service,
            spoken_time(each.at),
            _short(each.error),
        )
        for each in found
    ]
    invocation.listing(found, columns, rows, none="Nothing was given up.")


async def show_dead(invocation: Invocation, sequence: Sequence) -> None:
    """Show a message as it lies in the log, and what can be done."""
    async with invocation.client() as slipway:
        found = await slipway.dead.get(sequence)
    if invocation.as_json:
        invocation.document(found.as_json())
        return
    terminal = invocation.terminal
    terminal.fields(
        [
            *_summary(found),
            ("subject", found.subject),
            *((f"header {name}", text) for name, text in found.headers.items()),
            ("unreadable", found.problem or ""),
        ]
    )
    terminal.say("body:", style="dim")
    terminal.say(_cut(_body(found.body)))
    if found.retriable:
        terminal.say(f"Once the cause is gone: {invocation.again('dead', 'retry', str(sequence))}")
    elif found.state == State.OPEN:
        terminal.say(f"It cannot be retried. {found.instead}")
        terminal.say(f"Discard it: {invocation.again('dead', 'discard', str(sequence))}")


async def retry_dead(invocation: Invocation, sequence: Sequence) -> None:
    """Ask anew for what a command asked for that was given up."""
    from slipway.carrying_out import carry_out

    async with invocation.client() as slipway:
        found = await slipway.dead.get(sequence)
    # Its progress is told in its own group, whichever the option names.
    own = replace(invocation, group=found.group)
    async with own.client() as slipway:
        done = f"Message {sequence} is retried: {found.message_type} of {found.deployment} is done."
        of_builder = "build" in found.message_type
        look = f"See it: {own.again('builds' if of_builder else 'show', found.deployment)}"
        await carry_out(own, slipway, slipway.dead.retry(sequence), done=f"{done}\n{look}")


async def discard_dead(invocation: Invocation, sequence: Sequence) -> None:
    """Say that a message needs no attention any more; it stays in the log."""
    async with invocation.client() as slipway:
        answer = await slipway.dead.discard(sequence)
    invocation.answer(answer.as_json(), f"Message {sequence} is discarded.")


def _summary(found: "DeadMessage") -> list[tuple[str, str]]:
    from slipway.rendering import spoken_time

    became = f"{found.state} by {found.settled_by} at {spoken_time(found.settled_at)}"
    return [
        ("sequence", str(found.sequence)),
        ("state", became if found.settled_by else found.state),
        ("retried as", found.operation or ""),
        ("message", f"{found.message_type} {found.message_id}"),
        ("deployment", f"{found.group}/{found.deployment}"),
        ("given up", f"{spoken_time(found.at)} by the {found.service}, after {_deliveries(found)}"),
        ("error", found.error),
    ]


def _short(error: str) -> str:
    line = " ".join(error.split())
    return line if len(line) <= _LONGEST_ERROR else f"{line[: _LONGEST_ERROR - 1]}…"


def _deliveries(found: "DeadMessage") -> str:
    return "1 delivery" if found.deliveries == 1 else f"{found.deliveries} deliveries"


def _cut(body: str) -> str:
    if len(body) <= _LONGEST_BODY:
        return body
    return f"{body[:_LONGEST_BODY]}…\n({len(body) - _LONGEST_BODY} characters more; --json has all)"


def _body(body: Any) -> str:  # noqa: ANN401 - any JSON
    return body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    group = typer.Typer(no_args_is_help=True, help="Messages that a service gave up.")
    reads: dict[str, Body] = {"list": list_dead, "show": show_dead, "discard": discard_dead}
    add_commands(group, reads, {"retry": retry_dead})
    app.add_typer(group, name="dead", rich_help_panel=PANEL)
