"""Several releases live at once: aliases, weights, pins."""

import time
from collections.abc import Callable
from typing import Any

from e2e.running_platform import RunningPlatform
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
