"""Groups, instance types, targets, keys, versions and artifacts, by the command line."""

import json
import tarfile
from collections.abc import Callable
from typing import Any

from e2e.running_platform import FIXTURES, RunningPlatform

Ask = Callable[..., Any]
Deployed = Callable[..., str]


def test_a_group_is_made_changed_in_parts_and_shown_with_its_use(platform: RunningPlatform, ask: Ask) -> None:
    ask("group", "set", "team", "--replicas", "2", "--memory", "4Gi", "--member", "ada=deployer")
    ask("group", "set", "team", "--memory", "none", "--member", "bob=viewer", "--member", "ada-")
    ask("deploy", str(FIXTURES / "greeter"), "--name", "small", "--group", "team")

    found = ask("group", "show", "team")
    told = platform.slipway("group", "show", "team").stdout

    assert (found["quota"]["replicas"], found["quota"]["memory_bytes"]) == (2, None)
    assert found["members"] == [{"user": "bob", "role": "viewer"}]
    assert found["use"]["replicas"] == 1
    assert [line.split() for line in told.splitlines() if line.startswith("replicas")] == [
        ["replicas", "1", "2"]
    ]
    assert "team" in [each["name"] for each in ask("group", "list")]


def test_a_full_group_is_told_what_it_asked_for_and_may_have(platform: RunningPlatform, ask: Ask) -> None:
    ask("group", "set", "full", "--replicas", "1")
    ask("deploy", str(FIXTURES / "greeter"), "--name", "only", "--group", "full")

    ran = platform.slipway("scale", "only", "3", "--group", "full")
    as_json = platform.slipway("scale", "only", "3", "--group", "full", "--json")

    error = json.loads(as_json.stdout)["error"]
    assert (error["reason"], error["resource"]) == ("QuotaExceeded", "replicas")
    assert (error["asked"], error["used"], error["limit"]) == (2, 1, 1)
    assert "slipway group show full" in ran.stderr


def test_a_group_that_is_switched_off_deploys_nothing(platform: RunningPlatform, ask: Ask) -> None:
    ask("group", "set", "off", "--disable")

    ran = platform.slipway("deploy", str(FIXTURES / "greeter"), "--name", "any", "--group", "off")

    assert ran.returncode == 1
    assert "DeploymentsDisabled" in ran.stderr
    assert "slipway group set off --enable" in ran.stderr


def test_an_instance_type_gives_a_release_its_size(platform: RunningPlatform, ask: Ask) -> None:
    ask("instance-type", "set", "tiny", "--cpu", "0.5", "--memory", "256Mi", "--description", "for tests")
    name = "typed"

    document = ask(
        "deploy",
        str(FIXTURES / "greeter"),
        "--name",
        name,
        "--instance-type",
        "tiny",
        "--strategy",
        "in-place",
    )
    told = platform.slipway("instance-type", "list").stdout
    ask("instance-type", "rm", "tiny")

    config = document["status"]["live"]["config"]
    assert (config["instance_type"], config["strategy"]) == ("tiny", "in-place")
    assert (config["size"]["cpu"], config["size"]["memory_bytes"]) == (0.5, 256 << 20)
    assert "tiny  0.5  256Mi" in told
    assert "tiny" not in [each["name"] for each in ask("instance-type", "list")]


def test_targets_are_listed_with_their_room(platform: RunningPlatform, ask: Ask) -> None:
    (target,) = ask("target", "list")
    told = platform.slipway("target", "list").stdout.splitlines()

    assert (target["name"], target["engine"], target["health"]) == ("local", "supervisor", "watched")
    assert told[0].startswith("TARGET")
    assert " of " in told[1]


def test_a_key_opens_what_it_was_granted_until_it_is_revoked(platform: RunningPlatform, ask: Ask) -> None:
    made = ask("key", "create", "bob", "--grant", "default=viewer")
    url = json.loads((platform.state / "connection.json").read_text())["url"]
    connection = ("--url", url, "--key", made["secret"])

    read = platform.slipway("ls", *connection)
    written = platform.slipway("stop", "any", *connection)
    ask("key", "revoke", made["id"])
    after = platform.slipway("ls", *connection)

    assert (read.returncode, written.returncode, after.returncode) == (0, 3, 3)
    assert "RoleMissing" in written.stderr
    assert made["id"] not in [each["id"] for each in ask("key", "list")]


def test_a_version_is_shown_hidden_and_brought_back(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("versioned", "--label", "v1")

    told = platform.slipway("versions", "show", name, "v1").stdout
    ask("versions", "hide", name, "v1")
    hidden = ask("versions", "list", name)
    refused = platform.slipway("deploy", "v1", "--name", name)
    ask("versions", "unhide", name, "v1")

    assert "Endpoint greet" in told
    assert "python app.py" in told
    assert hidden == []
    assert f"slipway versions unhide {name} v1" in refused.stderr
    assert [each["label"] for each in ask("versions", name)] == ["v1"]


def test_a_file_placed_by_hand_is_found_and_adopted_and_hidden(platform: RunningPlatform, ask: Ask) -> None:
    incoming = platform.state / "blobs" / "incoming"
    (incoming / "weights.bin").write_bytes(b"weights")
    with tarfile.open(incoming / "source.tar.gz", "w:gz") as archive:
        for path in sorted((FIXTURES / "greeter").iterdir()):
            archive.add(path, path.name)

    found = {each["path"] for each in ask("artifact", "found")}
    artifact = ask("artifact", "adopt", "weights.bin")
    built = ask("artifact", "adopt", "source.tar.gz", "--as-version-of", "by-hand", "--label", "v1")
    ask("artifact", "hide", artifact["digest"])
    listed = {each["digest"] for each in ask("artifact", "list")}
    hidden = {each["digest"] for each in ask("artifact", "list", "--hidden")}
    ask("artifact", "unhide", artifact["digest"])

    assert found >= {"weights.bin", "source.tar.gz"}
    assert (built["state"], built["version"]) == ("SUCCEEDED", "v1")
    assert artifact["digest"] not in listed
    assert artifact["digest"] in hidden
    assert artifact["digest"] in platform.slipway("artifact", "list").stdout


def test_lists_that_are_empty_say_so(platform: RunningPlatform, ask: Ask) -> None:
    ask("group", "set", "empty")

    said = {
        words: platform.slipway(*words.split(), "--group", "empty").stdout
        for words in ("secret list", "artifact list", "ls")
    }

    assert all("The group empty has no" in text for text in said.values()), said
