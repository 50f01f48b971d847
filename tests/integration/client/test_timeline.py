"""`timeline`: what each stage took, and what it waits for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.running_platform import RunningPlatform
from eventually import eventually

Ask = Callable[..., Any]
Deployed = Callable[..., str]


def test_the_stages_of_the_last_operation_are_drawn(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("timed")
    ask("stop", name)
    told = ask("timeline", name)

    ran = platform.slipway("timeline", name)
    lines = ran.stdout.splitlines()

    assert (told["kind"], told["state"]) == ("stop", "SUCCEEDED")
    assert lines[0].startswith(f"stop of {name}: SUCCEEDED after ")
    assert [line.split()[0] for line in lines[1:]] == ["accepted", "ended", "drained"]
    assert all(line.split()[2] == "s" for line in lines[1:])
    assert "\x1b" not in ran.stdout


def test_the_heading_names_the_change_that_was_asked_for(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("timed-scale")
    ask("scale", name, "2")
    told = ask("timeline", name)

    ran = platform.slipway("timeline", name)

    assert (told["kind"], told["cause"]) == ("redeploy", "scale")
    assert ran.stdout.startswith(f"scale of {name}, release 2: SUCCEEDED after ")


async def test_an_operation_that_runs_says_what_it_waits_for(
    platform: RunningPlatform, never_ready: Path, ask: Ask
) -> None:
    accepted = platform.slipway("deploy", str(never_ready), "--name", "stuck", "--no-wait", "--json")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr

    await eventually(lambda: "replicas to answer" in ask("timeline", "stuck")["waits_for"], timeout=30)
    ran = platform.slipway("timeline", "stuck")
    shown = platform.slipway("show", "stuck")
    platform.slipway("delete", "stuck")

    assert "deploy of stuck, release 1: RUNNING since " in ran.stdout
    assert "Waits for replicas to answer: 0 of 1. Owed by: replicas." in ran.stdout
    assert "Starting: 0 of 1 replicas are ready." in shown.stdout
    assert any(line.startswith("answering") and ">" in line for line in ran.stdout.splitlines())


def test_an_unknown_operation_is_refused_with_what_to_do(
    platform: RunningPlatform, deployed: Deployed
) -> None:
    name = deployed("timed-too")

    ran = platform.slipway("timeline", name, "--operation", "0198b2f4-0000-7000-8000-000000000000")

    assert ran.returncode == 1
    assert ran.stderr.endswith(f"See the last one: slipway timeline {name}\n")
