"""Shows what a finished command has led to."""

from typing import TYPE_CHECKING

from slipway.documents import Accepted, DeploymentDetail
from slipway.tracking import Outcome

if TYPE_CHECKING:
    from slipway.client import Slipway
    from slipway.invocation import Invocation


async def show_release(
    invocation: "Invocation", slipway: "Slipway", accepted: Accepted, outcome: Outcome
) -> None:
    """Show the deployment as it stands after the command, and how to call it."""
    deployment = await slipway.deployment(accepted.deployment, at_least=outcome.sequence)
    if invocation.as_json:
        invocation.document({**outcome.as_json(), "deployment": deployment.as_json()})
        return
    terminal = invocation.terminal
    terminal.say(_summary(deployment), style="bold")
    terminal.fields([(f"  {each.name}", each.url) for each in deployment.endpoints])
    if deployment.endpoints:
        terminal.say(f"Call it: curl {deployment.endpoints[0].url}")


def show_end(invocation: "Invocation", accepted: Accepted, outcome: Outcome, text: str) -> None:
    """Say that a command without a release has its effect."""
    if invocation.as_json:
        invocation.document({**outcome.as_json(), "deployment": accepted.deployment})
    else:
        invocation.terminal.say(text, style="bold")


def _summary(deployment: DeploymentDetail) -> str:
    release = f"release {deployment.live_release}, version {deployment.version_label}"
    replicas = f"{deployment.ready} of {deployment.replicas} replicas ready"
    return f"{deployment.id} is {deployment.state}: {release}, {replicas}"
