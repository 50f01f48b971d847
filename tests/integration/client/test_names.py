"""Whoever renamed a deployment says its name, in every command."""

from collections.abc import Callable
from typing import Any

from e2e.running_platform import FIXTURES, RunningPlatform

Ask = Callable[..., Any]
Deployed = Callable[..., str]
GREETER = str(FIXTURES / "greeter")


def test_every_command_takes_the_name_that_a_deployment_has_now(ask: Ask, deployed: Deployed) -> None:
    deployed("by-id")
    ask("rename", "by-id", "by-name")

    redeployed = ask("deploy", GREETER, "--name", "by-name", "-e", "GREETING=two")
    ask("versions", "hide", "by-name", ask("versions", "list", "by-name")[-1]["label"])
    hidden = ask("versions", "list", "by-name", "--hidden")
    ask("delete", "by-name")
    ask("undelete", "by-name")
    stopped = ask("show", "by-name")

    assert (redeployed["deployment"], redeployed["release"]) == ("by-id", 2)
    assert [each["hidden"] for each in hidden] == [True]
    assert (stopped["id"], stopped["name"], stopped["state"]) == ("by-id", "by-name", "STOPPED")
    assert [each["release"] for each in ask("history", "by-name")] == [2, 1]


def test_a_name_that_was_given_up_leads_nowhere_and_is_not_deployed_to(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    deployed("called-anew")
    ask("rename", "called-anew", "given-up")
    ask("rename", "called-anew", "chosen")

    shown = platform.slipway("show", "given-up")
    deploy = platform.slipway("deploy", GREETER, "--name", "given-up")

    assert (shown.returncode, deploy.returncode) == (1, 1)
    assert "DeploymentNotFound" in shown.stderr
    assert "NameTaken" in deploy.stderr


def test_lists_of_what_there_is_not_are_refused(platform: RunningPlatform) -> None:
    for words in (("history", "nobody"), ("builds", "nobody"), ("versions", "list", "nobody")):
        ran = platform.slipway(*words)

        assert ran.returncode == 1
        assert "DeploymentNotFound" in ran.stderr


def test_a_stored_source_is_deployed_by_its_digest(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("stored")
    label = ask("versions", "list", name)[0]["label"]
    source = ask("versions", "show", name, label)["source"]
    ask("delete", name, "--level", "unload")
    ask("undelete", name)

    refused = platform.slipway("start", name)
    again = ask("deploy", source, "--name", name)

    assert f"slipway deploy {source} --name {name}" in refused.stderr
    assert again["state"] == "SUCCEEDED"
