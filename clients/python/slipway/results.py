"""Shows what a finished command has led to."""

from typing import TYPE_CHECKING, Any

from slipway.documents import LIVE, Accepted, DeploymentDetail
from slipway.rendering import spoken_shares
from slipway.tracking import Outcome

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.invocation import Invocation


def end_document(accepted: Accepted, outcome: Outcome) -> dict[str, Any]:
    """Return what the API answered when it accepted the command, as of its end, and what is known beside."""
    ended = {
        "state": outcome.state,
        "release": outcome.release,
        "failure": outcome.failure,
        "ended_at": outcome.at,
    }
    known = {name: value for name, value in ended.items() if value is not None}
    operation = {**accepted.operation.as_json(), **known, "superseded_by": outcome.by_operation}
    return {**accepted.as_json(), **outcome.as_json(), "operation": operation}


async def show_release(
    invocation: "Invocation", slipway: "Slipway", accepted: Accepted, outcome: Outcome
) -> None:
    """Show the deployment as it stands after the command, and how to call it."""
    deployment = await slipway.deployment(accepted.deployment, at_least=outcome.sequence)
    if invocation.as_json:
        invocation.document({**end_document(accepted, outcome), "status": deployment.as_json()})
        return
    terminal = invocation.terminal
    terminal.say(_summary(deployment), style="bold")
    terminal.fields([(f"  {each.name}", each.url) for each in deployment.endpoints])
    others = [each for each in deployment.aliases if each.alias != LIVE]
    terminal.fields(
        [(f"  alias {each.alias}", f"{each.url} (release {spoken_shares(each)})") for each in others]
    )
    if deployment.call_example:
        terminal.say(f"Call it: {deployment.call_example}")


def show_end(invocation: "Invocation", accepted: Accepted, outcome: Outcome, text: str) -> None:
    """Say that a command without a release has its effect."""
    if invocation.as_json:
        invocation.document(end_document(accepted, outcome))
    else:
        told, *advice = text.splitlines()
        invocation.terminal.say(told, style="bold")
        for line in advice:
            invocation.terminal.say(line)


def _summary(deployment: DeploymentDetail) -> str:
    if deployment.live_release is None:
        return f"{deployment.id} is {deployment.state}: nothing is behind its own URL"
    release = f"release {deployment.live_release}, version {deployment.version_label}"
    replicas = f"{deployment.ready} of {deployment.replicas} replicas ready"
    return f"{deployment.id} is {deployment.state}: {release}, {replicas}"
