"""Who may call an endpoint, and the secrets that replicas get."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from e2e.running_platform import SLIPWAY, RunningPlatform
from eventually import eventually
from integration.client.calls import answer_of, pasted

Ask = Callable[..., Any]
Deployed = Callable[..., str]


def set_secret(platform: RunningPlatform, name: str, value: str) -> None:
    command = [str(SLIPWAY), "secret", "set", name, "--state", str(platform.state)]
    subprocess.run(command, input=value, text=True, check=True, capture_output=True)


async def test_keys_open_an_endpoint_until_they_are_revoked(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("keyed")
    url = f"{platform.gateway_url}/default/{name}/greet"

    ask("access", "keys", name)
    token = ask("access", "key", "add", name, "shop", "--expires", "30d")["token"]

    await eventually(lambda: answer_of(url)[0] == 401)
    await eventually(lambda: answer_of(url, Authorization=f"Bearer {token}") == (200, "one"))
    assert pasted(ask("show", name)["call_example"], KEY=token) == "one"
    newer = ask("access", "key", "rotate", name, "shop")["token"]
    await eventually(lambda: answer_of(url, Authorization=f"Bearer {token}")[0] in {401, 403})
    await eventually(lambda: answer_of(url, Authorization=f"Bearer {newer}") == (200, "one"))
    ask("access", "key", "revoke", name, "shop")
    await eventually(lambda: answer_of(url, Authorization=f"Bearer {newer}")[0] in {401, 403})
    keys = ask("access", "key", "list", name)
    assert [(each["name"], each["revoked"]) for each in keys] == [("shop", True), ("shop", True)]


async def test_the_name_of_a_key_stands_for_the_newest_and_the_one_in_its_grace_is_told(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("graced")
    old = ask("access", "key", "add", name, "shop")["key"]["id"]
    new = ask("access", "key", "rotate", name, "shop", "--grace", "1h")["key"]["id"]

    again = platform.slipway("access", "key", "rotate", name, old)
    revoked = platform.slipway("access", "key", "revoke", name, "shop")
    left = [each["id"] for each in ask("access", "show", name)["keys"] if not each["revoked"]]
    ask("access", "key", "revoke", name, "shop")
    unknown = platform.slipway("access", "key", "revoke", name, "shop")

    assert (again.returncode, "EndpointKeyReplaced" in again.stderr) == (1, True)
    assert f"slipway access key rotate {name} {new}" in again.stderr
    assert f"slipway access key revoke {name} {old}" in revoked.stdout
    assert left == [old]
    assert (unknown.returncode, "no key shop that opens anything" in unknown.stderr) == (2, True)


async def test_a_key_whose_grace_has_passed_has_its_name_no_more(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("out-of-grace")
    old = ask("access", "key", "add", name, "shop")["key"]["id"]
    ask("access", "key", "rotate", name, "shop", "--grace", "1s")
    await eventually(lambda: old not in platform.slipway("access", "show", name).stdout)

    ask("access", "key", "revoke", name, "shop")

    assert [each["revoked"] for each in ask("access", "key", "list", name)] == [False, True]
    assert "Nobody has one yet" in platform.slipway("access", "keys", name).stdout


async def test_a_password_opens_an_endpoint(platform: RunningPlatform, ask: Ask, deployed: Deployed) -> None:
    name = deployed("basic")
    url = f"{platform.gateway_url}/default/{name}/greet"

    ask("access", "basic", name)
    password = ask("access", "user", "add", name, "ada")["password"]

    await eventually(lambda: answer_of(url)[0] == 401)
    await eventually(lambda: httpx.get(url, auth=("ada", password), timeout=10).status_code == 200)
    assert [each["name"] for each in ask("access", "show", name)["users"]] == ["ada"]
    ask("access", "user", "rm", name, "ada")
    await eventually(lambda: httpx.get(url, auth=("ada", password), timeout=10).status_code == 401)
    ask("access", "open", name)
    await eventually(lambda: answer_of(url) == (200, "one"))


def test_a_token_is_shown_at_once_with_the_warning_that_it_never_is_again(
    platform: RunningPlatform, deployed: Deployed
) -> None:
    name = deployed("shown-once")

    said = platform.slipway("access", "key", "add", name, "shop").stdout.splitlines()
    listed = platform.slipway("access", "key", "list", name).stdout

    assert said[0].startswith("token  ey")
    assert said[1].startswith("Keep the token now")
    assert said[0].split()[1] not in listed


def test_a_secret_reaches_the_replica_and_nothing_that_can_be_read(
    platform: RunningPlatform, ask: Ask, deployed: Deployed, tmp_path: Path
) -> None:
    set_secret(platform, "greeting", "hush\n")
    (tmp_path / "value").write_text("psst")
    ask("secret", "set", "greeting", "--from-file", str(tmp_path / "value"))
    name = deployed("secretive")

    first = ask("update", name, "--secret", "GREETING=greeting:1")
    second = ask("update", name, "--secret", "GREETING=greeting")

    assert answer_of(f"{platform.gateway_url}/default/{name}/greet") == (200, "psst")
    values = [each["status"]["live"]["config"]["environment"]["GREETING"] for each in (first, second)]
    assert values == [{"secret": "greeting", "version": 1}, {"secret": "greeting", "version": 2}]
    told = platform.slipway("secret", "list").stdout + platform.slipway("events", name, "--json").stdout
    assert "greeting  2" in told
    assert "hush" not in told
    assert "psst" not in told


def test_a_secret_in_use_is_removed_only_by_force(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    set_secret(platform, "used", "x")
    name = deployed("using")
    ask("update", name, "--secret", "GREETING=used")

    refused = platform.slipway("secret", "rm", "used")
    ask("secret", "rm", "used", "--force")
    failed = platform.slipway("restart", name)

    assert (refused.returncode, "SecretInUse" in refused.stderr) == (1, True)
    assert (failed.returncode, "SecretMissing" in failed.stderr) == (1, True)
    assert ask("show", name)["state"] == "DEPLOYED"
