"""Several releases live at once: aliases, weights, pins."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.running_platform import FIXTURES, RunningPlatform
from integration.client.calls import answer_of, pasted

Ask = Callable[..., Any]
Deployed = Callable[..., str]


def urls(ask: Ask, name: str) -> dict[str, str]:
    return {each["alias"]: each["url"] for each in ask("alias", "list", name)}


def shares(ask: Ask, name: str) -> dict[str, list[tuple[int, int]]]:
    return {
        each["alias"]: [(share["release"], share["weight"]) for share in each["shares"]]
        for each in ask("alias", "list", name)
    }


def wait_for_retirement(platform: RunningPlatform, name: str) -> None:
    """Return when release 1 does not even drain any more."""
    until = time.monotonic() + 30
    while "release.retired" not in platform.slipway("events", name, "--type", "release.retired").stdout:
        assert time.monotonic() < until, "release 1 is not retired"


def test_an_alias_has_a_url_of_its_own_and_leaves_live_alone(ask: Ask, deployed: Deployed) -> None:
    name = deployed("staged")

    ask("redeploy", name, "-e", "GREETING=two", "--alias", "staging")

    found = urls(ask, name)
    assert answer_of(f"{found['live']}/greet") == (200, "one")
    assert answer_of(f"{found['staging']}/greet") == (200, "two")
    assert shares(ask, name) == {"live": [(1, 100)], "staging": [(2, 100)]}


def test_an_alias_moves_by_weight_and_back_and_goes(ask: Ask, deployed: Deployed) -> None:
    name = deployed("weighted")
    label = ask("show", name)["version_label"]
    ask("deploy", label, "--name", name, "-e", "GREETING=two", "--weight", "20")
    first = shares(ask, name)

    ask("alias", "set", name, "live", "1=50", "2=50")
    second = shares(ask, name)
    ask("alias", "set", name, "extra", "--version", label)
    ask("alias", "set", name, "live", "1")
    ask("alias", "rm", name, "extra")

    assert sorted(first["live"]) == [(1, 80), (2, 20)]
    assert sorted(second["live"]) == [(1, 50), (2, 50)]
    assert shares(ask, name) == {"live": [(1, 100)]}


def test_an_alias_starts_a_release_that_ran_before(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("revived")
    ask("redeploy", name, "-e", "GREETING=two")
    wait_for_retirement(platform, name)

    ran = platform.slipway("alias", "set", name, "old", "1")

    assert ran.returncode == 0, ran.stderr
    assert "release 1" in ran.stdout
    assert "old of revived points at 1." in ran.stdout
    assert answer_of(f"{urls(ask, name)['old']}/greet") == (200, "one")


def test_a_pinned_release_runs_on(platform: RunningPlatform, ask: Ask, deployed: Deployed) -> None:
    name = deployed("pinned")

    pinned = platform.slipway("pin", name, "1")
    ask("redeploy", name, "-e", "GREETING=two")
    kept = ask("show", name)["pins"]
    unpinned = platform.slipway("unpin", name, "1")

    assert "Release 1 of pinned is pinned." in pinned.stdout
    assert kept == [1]
    assert "no longer pinned" in unpinned.stdout
    assert ask("show", name)["pins"] == []


def test_the_call_example_works_when_it_is_pasted(ask: Ask, deployed: Deployed) -> None:
    name = deployed("pasted", greeting="salut")

    assert pasted(ask("show", name)["call_example"]) == "salut"


def test_a_deploy_to_an_alias_ends_with_what_that_alias_serves(
    platform: RunningPlatform, ask: Ask, deployed: Deployed
) -> None:
    name = deployed("told")
    label = ask("show", name)["version_label"]

    ran = platform.slipway("deploy", label, "--name", name, "--alias", "canary", "-e", "GREETING=two")

    lines = ran.stdout.splitlines()
    assert f"told is DEPLOYED: canary is at release 2, version {label}" in lines
    assert f"  live is at release 1, version {label}" in lines
    assert pasted(lines[-1].removeprefix("Call it: ")) == "two"


def test_only_urls_that_answer_are_shown(
    platform: RunningPlatform, ask: Ask, deployed: Deployed, tmp_path: Path
) -> None:
    name = deployed("answering")
    source = Path(shutil.copytree(FIXTURES / "greeter", tmp_path / "source"))
    manifest = source / "slipway.yaml"
    manifest.write_text(manifest.read_text().replace("name: greet", "name: hello"))
    ask("deploy", str(source), "--name", name, "--alias", "canary")
    base = urls(ask, name)

    shown = platform.slipway("show", name).stdout
    listed = platform.slipway("alias", "list", name).stdout
    answers = [answer_of(f"{base['live']}/greet")[0], answer_of(f"{base['canary']}/hello")[0]]
    platform.slipway("stop", name)
    stopped = platform.slipway("show", name).stdout

    shown_urls = {each.rstrip("/") for each in re.findall(r"http://\S+", shown)}
    assert shown_urls == {f"{base['live']}/greet", f"{base['canary']}/hello"}
    assert answers == [200, 200]
    assert {each.rstrip("/") for each in re.findall(r"http://\S+", listed)} == shown_urls
    assert "no URL: answering is STOPPED" in stopped
    assert "http://" not in stopped
