"""Carries out a mutation on behalf of a command: shows its plan, or sends it, waits, and shows its end."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from slipway.documents import Accepted
from slipway.mutation import Mutation
from slipway.plans import show_plan
from slipway.results import show_end, show_release
from slipway.tracking import Outcome
from slipway.waiting import finish

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.invocation import Invocation


async def carry_out(
    invocation: "Invocation",
    slipway: "Slipway",
    mutation: Mutation,
    *,
    done: str | Callable[[Outcome], str] | None = None,
    also: Callable[[Outcome], Awaitable[str]] | None = None,
    reveal: str | None = None,
) -> None:
    """Do what the options of mutations say.

    Args:
        invocation: the options.
        slipway: the client that made the mutation.
        mutation: what to do.
        done: what to say at its end; None: how the deployment stands then, and how to call it.
        also: what to say after that to people.
        reveal: member of the answer that is shown at once, because nothing has it later.
    """
    mutation = mutation.only_if(invocation.if_match)
    if invocation.dry_run:
        show_plan(invocation, await mutation.plan())
        return
    accepted = await mutation
    for notice in accepted.notices:
        if not invocation.as_json:
            invocation.terminal.say(f"! {notice}", style="yellow")
    if reveal is not None and not invocation.as_json:
        _reveal(invocation, accepted, reveal)
    outcome = await finish(invocation, slipway, accepted)
    if outcome is None:
        return
    if done is None:
        await show_release(invocation, slipway, accepted, outcome)
    else:
        show_end(invocation, accepted, outcome, done if isinstance(done, str) else done(outcome))
    if also is not None and not invocation.as_json:
        invocation.terminal.say(await also(outcome))


def _reveal(invocation: "Invocation", accepted: Accepted, member: str) -> None:
    invocation.terminal.fields([(member, str(accepted.as_json().get(member, "")))])
    invocation.terminal.say(f"Keep the {member} now: it is shown here and never again.", style="yellow")
