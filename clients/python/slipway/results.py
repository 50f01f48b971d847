"""Shows what a finished command has led to."""

from typing import TYPE_CHECKING, Any

from slipway.addresses import addresses_of
from slipway.documents import LIVE, Accepted, Alias, DeploymentDetail
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
    addresses = {each.alias.alias: each for each in await addresses_of(slipway, deployment)}
    moved = _moved(deployment, outcome)
    terminal = invocation.terminal
    terminal.say(_summary(deployment, moved), style="bold")
    at = addresses.pop(moved, None)
    if at is not None:
        terminal.fields([(f"  {name}", url) for name, url in at.urls.items()])
    for other in addresses.values():
        terminal.say(f"  {other.alias.alias} is at {_released(other.alias)}")
        terminal.fields([(f"    {name}", url) for name, url in other.urls.items()])
    if at is not None and at.call:
        terminal.say(f"Call it: {at.call}")


def _moved(deployment: DeploymentDetail, outcome: Outcome) -> str:
    """Return the alias that the release was made for."""
    at = [each.alias for each in deployment.aliases if outcome.release in {s.release for s in each.shares}]
    return LIVE if LIVE in at or not at else at[0]


def show_end(invocation: "Invocation", accepted: Accepted, outcome: Outcome, text: str) -> None:
    """Say that a command without a release has its effect."""
    if invocation.as_json:
        invocation.document(end_document(accepted, outcome))
    else:
        told, *advice = text.splitlines()
        invocation.terminal.say(told, style="bold")
        for line in advice:
            invocation.terminal.say(line)


def _summary(deployment: DeploymentDetail, moved: str) -> str:
    alias = next((each for each in deployment.aliases if each.alias == moved), None)
    if moved != LIVE and alias is not None:
        return f"{deployment.id} is {deployment.state}: {moved} is at {_released(alias)}"
    if deployment.live_release is None:
        return f"{deployment.id} is {deployment.state}: nothing is behind its own URL"
    release = f"release {deployment.live_release}, version {deployment.version_label}"
    replicas = f"{deployment.ready} of {deployment.replicas} replicas ready"
    return f"{deployment.id} is {deployment.state}: {release}, {replicas}"


def _released(alias: Alias) -> str:
    if len(alias.shares) == 1:
        share = alias.shares[0]
        return f"release {share.release}, version {share.version_label}"
    return f"releases {spoken_shares(alias)}"
