"""`show --at`: a deployment as it was, by position and by time."""

from collections.abc import Callable
from typing import Any

from e2e.running_platform import RunningPlatform

Ask = Callable[..., Any]
Deployed = Callable[..., str]


def test_a_deployment_is_shown_as_it_was(platform: RunningPlatform, ask: Ask, deployed: Deployed) -> None:
    name = deployed("past")
    before: Any = ask("show", name)
    ask("stop", name)

    by_time = ask("show", name, "--at", before["changed_at"])
    by_position = ask("show", name, "--at", str(by_time["as_of"]))
    told = platform.slipway("show", name, "--at", before["changed_at"])

    assert before["state"] == by_time["state"] == by_position["state"] == "DEPLOYED"
    assert ask("show", name)["state"] == "STOPPED"
    assert f"sequence {by_time['as_of']}" in told.stdout
    assert "Call it" not in told.stdout


def test_a_time_that_is_shown_can_be_asked_for(platform: RunningPlatform, deployed: Deployed) -> None:
    name = deployed("pasted-time")
    shown = platform.slipway("show", name).stdout.splitlines()
    (changed,) = (line.split()[1] for line in shown if line.startswith("changed "))

    then = platform.slipway("show", name, "--at", changed)

    assert then.returncode == 0, then.stderr
    assert f"changed  {changed}" in then.stdout
    assert "state    DEPLOYED" in then.stdout


def test_a_moment_that_is_none_is_refused_with_what_to_give(
    platform: RunningPlatform, deployed: Deployed
) -> None:
    name = deployed("no-moment")

    ran = platform.slipway("show", name, "--at", "yesterday")

    assert ran.returncode != 0
    assert "2026-01-31T12:00:00Z" in ran.stderr
