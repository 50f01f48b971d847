"""What a team does with a deployment, by the command line alone."""

import json
from typing import Any

import httpx
import pytest
from e2e.running_platform import FIXTURES, RunningPlatform


def get(url: str) -> tuple[int, str]:
    response = httpx.get(url, timeout=5)
    return response.status_code, response.text


def done(platform: RunningPlatform, *arguments: str) -> dict[str, Any]:
    ran = platform.slipway(*arguments, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return dict(json.loads(ran.stdout))


def state_of(platform: RunningPlatform, name: str) -> str:
    return str(done(platform, "show", name)["state"])


def test_a_deployment_lives_and_ends_and_lives_again(platform: RunningPlatform) -> None:
    url = f"{platform.gateway_url}/default/life/greet"
    states = []

    done(platform, "deploy", str(FIXTURES / "greeter"), "--name", "life", "--env", "GREETING=one")
    answers = [get(url)]
    done(platform, "redeploy", "life", "--env", "GREETING=two", "--replicas", "2")
    answers.append(get(url))
    states.append(state_of(platform, "life"))
    done(platform, "stop", "life")
    stopped = get(url)
    states.append(state_of(platform, "life"))
    done(platform, "start", "life")
    answers.append(get(url))
    done(platform, "rm", "life")
    gone = get(url)
    done(platform, "deploy", str(FIXTURES / "greeter"), "--name", "life", "--env", "GREETING=three")
    answers.append(get(url))
    releases = json.loads(platform.slipway("history", "life", "--json").stdout)

    assert answers == [(200, "one"), (200, "two"), (200, "two"), (200, "three")]
    assert (stopped[0], json.loads(stopped[1])["reason"]) == (410, "DeploymentStopped")
    assert (gone[0], json.loads(gone[1])["reason"]) == (404, "DeploymentUnknown")
    assert states == ["DEPLOYED", "STOPPED"]
    assert [each["release"] for each in releases] == [4, 3, 2, 1]


@pytest.mark.usefixtures("serving")
def test_the_lines_of_a_replica_and_of_its_build_can_be_read(platform: RunningPlatform) -> None:
    replica = platform.slipway("logs", "serving")
    version = done(platform, "show", "serving")["version_label"]
    builds = json.loads(platform.slipway("builds", "serving", "--json").stdout)
    build = platform.slipway("logs", "serving", "--build", builds[0]["id"])

    assert "listening on" in replica.stdout
    assert "code" in build.stdout
    assert version


@pytest.mark.usefixtures("serving")
def test_events_can_be_read_from_the_first_one(platform: RunningPlatform) -> None:
    ran = platform.slipway("events", "serving", "--type", "release", "--json")

    types = [json.loads(line)["type"] for line in ran.stdout.splitlines()]
    assert any("release.live" in each for each in types)


@pytest.mark.usefixtures("serving")
def test_a_rebuilt_projection_has_the_same_rows(platform: RunningPlatform) -> None:
    before = platform.slipway("history", "serving", "--json").stdout

    verified = platform.slipway("projections", "verify")
    rebuilt = platform.slipway("projections", "rebuild")

    after = platform.slipway("history", "serving", "--json").stdout
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr
    assert json.loads(after) == json.loads(before)


def test_a_manifest_of_valohai_builds_as_it_is(platform: RunningPlatform) -> None:
    built = done(platform, "build", str(FIXTURES / "valohai"), "--name", "valohai")

    version = json.loads(platform.slipway("versions", "valohai", "--json").stdout)[0]
    assert built["state"] == "SUCCEEDED"
    assert [each["name"] for each in version["endpoints"]] == ["greet-me", "predict-digit"]
    assert [each["fixed_port"] for each in version["endpoints"]] == [8000, None]
    assert any("python:3.6" in notice for notice in version["notices"])
