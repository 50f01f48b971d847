"""Names and settings of deployments, and the ways in which they end and come back."""

import os
import pty
import subprocess
from collections.abc import Callable
from typing import Any

from e2e.running_platform import SLIPWAY, RunningPlatform
from integration.client.calls import answer_of

Ask = Callable[..., Any]
Deployed = Callable[..., str]


def test_a_renamed_deployment_answers_under_both_names_and_keeps_its_id(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("before")

    ask("rename", name, "after")

    for path in ("before", "after"):
        assert answer_of(f"{platform.gateway_url}/default/{path}/greet") == (200, "one")
    shown = platform.slipway("show", name).stdout
    assert "name       after" in shown
    assert "old names  before until" in shown
    assert "before (after)" in platform.slipway("ls").stdout


def test_settings_are_changed_one_by_one_and_found_in_lists(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("described")

    ask("set", name, "--description", "says hello", "--meta", "team=ml", "--stop-deadline", "2m")
    ask("set", name, "--meta", "tier=1", "--rename-grace", "0")

    settings = ask("show", name)["settings"]
    assert (settings["description"], settings["metadata"]) == ("says hello", {"team": "ml", "tier": "1"})
    assert (settings["stop_deadline_seconds"], settings["rename_grace_seconds"]) == (120, 0)
    assert [each["id"] for each in ask("ls", "--meta", "team=ml", "--mine")] == [name]
    assert name in [each["id"] for each in ask("ls", "-q", "hello", "--sort=-changed")]
    assert platform.slipway("ls", "-q", "nothinglikeit").stdout.startswith("No deployment of the group")


def test_a_deleted_deployment_comes_back_as_it_was(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("hidden")

    ask("delete", name)
    listed = [each["id"] for each in ask("ls")]
    deleted = [each["id"] for each in ask("ls", "--in-state", "deleted")]
    ask("undelete", name)
    stopped = ask("show", name)["state"]
    ask("start", name)

    assert name not in listed
    assert name in deleted
    assert stopped == "STOPPED"
    assert answer_of(f"{platform.gateway_url}/default/{name}/greet") == (200, "one")


def test_a_purged_deployment_is_gone_and_its_numbers_go_on(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("purged")

    refused = platform.slipway("purge", name)
    ask("purge", name, "--yes")
    gone = platform.slipway("show", name)
    deployed(name)

    assert (refused.returncode, "Say so with --yes" in refused.stderr) == (2, True)
    assert (gone.returncode, "DeploymentNotFound" in gone.stderr) == (1, True)
    assert ask("show", name)["live_release"] == 2


def test_a_purge_asks_on_a_terminal_and_takes_no_for_an_answer(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("asked")
    master, slave = pty.openpty()
    command = [str(SLIPWAY), "purge", name, "--state", str(platform.state)]

    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave) as process:
        os.close(slave)
        os.write(master, b"n\n")
        code = process.wait(timeout=60)
    os.close(master)

    assert code == 1
    assert ask("show", name)["state"] == "DEPLOYED"
