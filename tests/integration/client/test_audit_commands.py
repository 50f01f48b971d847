"""The audit by the command line: as a table, and as lines of JSON for export."""

import json
from typing import Any

from e2e.running_platform import FIXTURES, RunningPlatform
from eventually import eventually


def lines(platform: RunningPlatform, *words: str) -> list[dict[str, Any]]:
    ran = platform.slipway("audit", *words, "--json")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


async def test_what_was_done_and_what_was_refused_is_shown_and_exported(platform: RunningPlatform) -> None:
    platform.slipway("group", "set", "audited")
    platform.slipway("group", "set", "audited", "--disable")
    key = json.loads(platform.slipway("key", "create", "eve", "--grant", "audited=viewer", "--json").stdout)
    url = json.loads((platform.state / "connection.json").read_text())["url"]
    mine = ("--group", "audited")
    platform.slipway("stop", "absent", *mine, "--url", url, "--key", key["secret"])

    refused = await eventually(lambda: lines(platform, *mine, "--refused"))
    told = platform.slipway("audit", *mine).stdout
    accepted = lines(platform, *mine, "--accepted")
    foreign = platform.slipway("audit", *mine, "--url", url, "--key", key["secret"])

    (entry,) = refused
    assert (entry["user"], entry["reason"], entry["address"]) == ("eve", "RoleMissing", "127.0.0.1")
    assert [each["action"] for each in accepted] == ["group.configured.v1"] * 2
    assert told.splitlines()[0].split()[:3] == ["SEQUENCE", "TIME", "USER"]
    assert "403 RoleMissing" in told
    assert lines(platform, *mine, "--user", "eve") == refused
    assert lines(platform, "absent", *mine) == refused
    assert lines(platform, *mine, "--since", "2020-01-01T00:00:00Z") == [entry, *accepted]
    assert lines(platform, *mine, "--until", "2020-01-01T00:00:00Z") == []
    oldest_first = [*accepted[::-1], entry]
    assert lines(platform, *mine, "--oldest-first") == oldest_first
    first = str(oldest_first[0]["sequence"])
    assert lines(platform, *mine, "--oldest-first", "--from", first) == oldest_first[1:]
    assert "key.configured.v1" in {each["action"] for each in lines(platform, "--all", "--user", "admin")}
    assert foreign.returncode == 3


async def test_a_usual_deploy_leaves_no_refusal(platform: RunningPlatform) -> None:
    greeter = str(FIXTURES / "greeter")
    for _ in range(2):
        assert platform.slipway("deploy", greeter, "--name", "unrefused").returncode == 0

    platform.slipway("start", "unrefused")

    def told() -> list[str]:
        refused = lines(platform, "--refused", "--since", "5m")
        return [each["reason"] for each in refused if each["deployment"] == "unrefused"]

    assert await eventually(told) == ["AlreadyRunning"]
