"""Waits for the end of an accepted command, shows its steps meanwhile, and says how it ended."""

import asyncio
from typing import TYPE_CHECKING

import typer

from slipway.documents import Accepted
from slipway.errors import SlipwayError, UnreachableError
from slipway.event_stream import Event
from slipway.invocation import FAILED, Invocation
from slipway.progress import Progress, Replica
from slipway.results import end_document
from slipway.tracking import Outcome

if TYPE_CHECKING:
    from slipway.client import Slipway


async def finish(invocation: Invocation, slipway: "Slipway", accepted: Accepted) -> Outcome | None:
    """Return how the command ended once it has its effect; None with `--no-wait`.

    Interrupted, it says how to look again and leaves the work running.

    Raises:
        UnreachableError: the API is gone for longer than the client's patience; the work goes on.
        typer.Exit: the command ended without its effect, and the user was told why.
    """
    if invocation.no_wait:
        _say_accepted(invocation, accepted)
        return None
    try:
        outcome = await _end(invocation, slipway, accepted)
    except asyncio.CancelledError:
        invocation.terminal.warn("")
        invocation.terminal.warn(
            "Interrupted; the work goes on.", hint=look_again(invocation, accepted), style="yellow"
        )
        raise
    except UnreachableError as error:
        raise UnreachableError(
            f"{error.message}; the work goes on", hint=look_again(invocation, accepted)
        ) from error
    if not outcome.succeeded:
        _say_why(invocation, accepted, outcome)
        raise typer.Exit(FAILED)
    return outcome


def look_again(invocation: Invocation, accepted: Accepted) -> str:
    """Return the commands that show what became of it."""
    show = invocation.again("show", accepted.deployment)
    events = invocation.again("events", accepted.deployment, "-f", "--from", str(accepted.sequence))
    return f"Look again: {show}\n        or: {events}"


async def _end(invocation: Invocation, slipway: "Slipway", accepted: Accepted) -> Outcome:
    if invocation.as_json:
        return await slipway.follow(accepted)
    terminal = invocation.terminal
    with terminal.waiting() as waiting:
        waiting.show("accepted")
        progress = Progress(ready=await _ready(slipway, accepted.deployment))

        def show(event: Event) -> None:
            for step in progress.take(event):
                terminal.step(step)
            waiting.show(progress.running)

        return await slipway.follow(accepted, show)


async def _ready(slipway: "Slipway", deployment: str) -> set[Replica]:
    """Return the replicas that are ready now; none where that cannot be said, as of a new deployment."""
    try:
        document = (await slipway.deployment(deployment)).as_json()
    except SlipwayError:
        return set()
    seen = document.get("replica_list", ())
    return {(each["workload"], each["replica"]) for each in seen if each["state"] == "ready"}


def _say_accepted(invocation: Invocation, accepted: Accepted) -> None:
    if invocation.as_json:
        invocation.document(accepted.as_json())
        return
    invocation.terminal.say(f"Accepted: operation {accepted.operation.id}, sequence {accepted.sequence}.")
    invocation.terminal.say(look_again(invocation, accepted))


def _say_why(invocation: Invocation, accepted: Accepted, outcome: Outcome) -> None:
    name, terminal = accepted.deployment, invocation.terminal
    if invocation.as_json:
        invocation.document(end_document(accepted, outcome))
    elif outcome.failure is not None:
        failed = (
            f"{accepted.operation.kind} of {name}"
            if outcome.release is None
            else f"{name} release {outcome.release}"
        )
        terminal.failure(f"{failed} failed", outcome.failure)
    else:
        terminal.warn(_plainly(name, outcome), hint=f"See {invocation.again('show', name)}")


def _plainly(name: str, outcome: Outcome) -> str:
    match outcome.state:
        case "SUPERSEDED":
            by = f" (operation {outcome.by_operation})" if outcome.by_operation else ""
            return f"SUPERSEDED: a newer command of {name} took the place of this one{by}."
        case "CANCELED":
            by = f" by {outcome.by}" if outcome.by else ""
            return f"CANCELED{by}: what {name} served before, it still serves."
        case _:
            return f"{outcome.state}: {name} gave no reason."
