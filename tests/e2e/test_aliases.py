"""Several releases live at once, each under its own names, and moves of aliases that nobody notices."""

from collections.abc import AsyncIterator, Callable

import pytest
from e2e.carrying_out import (
    GREETER,
    answer,
    answers,
    carried_out,
    comes_to_answer,
    done,
    greeting,
    refusal,
    release_of,
)
from e2e.running_platform import Probe, RunningPlatform, calling, ended
from eventually import eventually
from slipway.client import Slipway
from slipway.documents import DeploymentDetail, Share

NAME = "aliased"


@pytest.fixture(scope="module")
def base(platform: RunningPlatform) -> str:
    """The URL of a deployment of version `first`, whose version `second` is built too."""
    done(platform, "build", str(GREETER), "--name", NAME, "--label", "second")
    done(platform, "deploy", str(GREETER), "--name", NAME, "--label", "first", "--env", "GREETING=one")
    return f"{platform.gateway_url}/default/{NAME}"


@pytest.fixture
async def client(platform: RunningPlatform) -> AsyncIterator[Slipway]:
    async with platform.client() as client:
        yield client


@pytest.fixture
async def pair(client: Slipway, base: str) -> tuple[int, int]:
    """Two releases: `one` of version `first` behind live, `two` of version `second` behind staging."""
    assert base
    one = await release_of(client, client.deploy(NAME, version="first", config=greeting("one")))
    two = await release_of(
        client, client.deploy(NAME, version="second", config=greeting("two", alias="staging"))
    )
    return one, two


def pointed(deployment: DeploymentDetail) -> dict[str, dict[int, int]]:
    return {each.alias: {share.release: share.weight for share in each.shares} for each in deployment.aliases}


async def test_a_release_behind_another_alias_answers_beside_the_one_that_is_live(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    one, two = pair

    seen = [await answer(f"{base}/{path}") for path in ("greet", "staging/greet")]
    deployment = await client.deployment(NAME)

    assert seen == [(200, "one"), (200, "two")]
    assert pointed(deployment) == {"live": {one: 100}, "staging": {two: 100}}
    assert {each.alias: each.url for each in deployment.aliases} == {
        "live": base,
        "staging": f"{base}/staging",
    }


async def test_an_alias_shares_its_requests_by_weight(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    one, two = pair
    shares = [Share(release=one, weight=90), Share(release=two, weight=10)]

    await carried_out(client, client.set_alias(NAME, "live", shares=shares))
    seen = await answers(f"{base}/greet", 500)

    assert seen.keys() == {"one", "two"}
    assert 20 <= seen["two"] <= 85  # 50 in the mean; further off once in 100,000 runs


async def test_moving_an_alias_to_and_fro_under_load_loses_nothing(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    async with calling(f"{base}/greet") as probe:
        for release in (*reversed(pair), *reversed(pair)):
            await carried_out(client, client.set_alias(NAME, "live", release=release))
            await eventually(answered(probe, 10))

    assert probe.failures == []
    assert await answer(f"{base}/greet") == (200, "one")


def answered(probe: Probe, count: int) -> Callable[[], bool]:
    """Return whether so many more calls are answered than by now."""
    enough = probe.answers + count
    return lambda: probe.answers >= enough


async def test_an_alias_that_moves_to_a_retired_release_starts_it_first(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    one, _ = pair
    await carried_out(client, client.redeploy(NAME, config=greeting("three")))
    await eventually(lambda: is_in(client, one, "RETIRED"))

    async with calling(f"{base}/greet") as probe:
        before = await answer(f"{base}/greet")
        await carried_out(client, client.set_alias(NAME, "live", release=one))
        after = await answer(f"{base}/greet")
        await eventually(answered(probe, 10))

    assert (before, after) == ((200, "three"), (200, "one"))
    assert await is_in(client, one, "LIVE")
    assert probe.failures == []


async def is_in(client: Slipway, number: int, state: str) -> bool:
    found = [each async for each in client.releases(NAME) if each.number == number]
    return [each.state for each in found] == [state]


async def test_the_url_of_a_version_answers_while_a_release_of_it_runs(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    _, two = pair
    url = f"{base}/second/greet"
    await comes_to_answer(url, 200, "two")

    await carried_out(client, client.pin(NAME, two))
    await carried_out(client, client.remove_alias(NAME, "staging"))
    pinned = await answer(url)
    gone_alias = await answer(f"{base}/staging/greet")
    await carried_out(client, client.unpin(NAME, two))
    await eventually(lambda: is_in(client, two, "RETIRED"))

    await comes_to_answer(url, 404)
    assert pinned == (200, "two")
    assert gone_alias[0] == 404


async def test_a_rollback_makes_an_exact_copy_and_moves_no_other_alias(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    one, two = pair
    shares = [Share(release=one, weight=70), Share(release=two, weight=30)]
    await carried_out(client, client.set_alias(NAME, "live", shares=shares))
    await carried_out(client, client.set_alias(NAME, "live", release=two))
    await carried_out(client, client.set_alias(NAME, "canary", shares=shares))

    accepted = await client.rollback(NAME)
    copy = (await ended(client, accepted)).release
    assert copy is not None

    events = client.past_events(deployment=NAME, after=accepted.sequence - 1)
    kinds = [event.kind async for event in events]
    history = {each.release: each async for each in client.history(NAME)}
    difference = await client.difference(NAME, one, copy)
    assert history[copy].copy_of == one
    assert history[copy].images == history[one].images
    assert [each.field for each in difference.changes] == ["description"]
    assert "release.live" in kinds
    assert not [each for each in kinds if each.startswith("build")]
    assert pointed(await client.deployment(NAME)) == {
        "live": {copy: 70, two: 30},
        "staging": {two: 100},
        "canary": {one: 70, two: 30},
    }
    await carried_out(client, client.remove_alias(NAME, "canary"))
    assert base


async def test_a_rollback_to_a_part_of_a_canary_lets_it_serve_alone_also_when_all_is_stopped(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    one, two = pair
    shares = [Share(release=one, weight=90), Share(release=two, weight=10)]
    await carried_out(client, client.set_alias(NAME, "live", shares=shares))
    await carried_out(client, client.set_alias(NAME, "live", release=two))
    await carried_out(client, client.stop(NAME))

    copy = (await ended(client, await client.rollback(NAME, to=one))).release

    assert copy is not None
    assert pointed(await client.deployment(NAME)) == {"live": {copy: 100}, "staging": {two: 100}}
    assert base


async def test_a_stopped_deployment_starts_with_all_its_aliases(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    one, two = pair
    shares = [Share(release=one, weight=60), Share(release=two, weight=40)]
    await carried_out(client, client.set_alias(NAME, "canary", shares=shares))
    before = pointed(await client.deployment(NAME))

    await carried_out(client, client.stop(NAME))
    stopped = [(await answer(f"{base}/{path}greet"))[0] for path in ("", "staging/", "canary/")]
    await carried_out(client, client.start(NAME))
    seen = [await answers(f"{base}/{path}greet", 100) for path in ("", "staging/", "canary/")]

    after = pointed(await client.deployment(NAME))
    assert stopped == [410, 410, 410]
    assert after["live"].keys().isdisjoint(after["staging"])
    assert {name: sorted(shares.values()) for name, shares in after.items()} == {
        name: sorted(shares.values()) for name, shares in before.items()
    }
    assert [set(each) for each in seen] == [{"one"}, {"two"}, {"one", "two"}]
    await carried_out(client, client.remove_alias(NAME, "canary"))


async def test_an_alias_cannot_have_the_name_of_an_endpoint_or_version_nor_live_be_removed(
    client: Slipway, base: str, pair: tuple[int, int]
) -> None:
    clashes = [await refusal(client.set_alias(NAME, name, release=pair[0])) for name in ("greet", "first")]
    reserved = await refusal(client.remove_alias(NAME, "live"))

    assert [(each.status, each.reason) for each in clashes] == [(409, "NameClash")] * 2
    assert reserved.reason == "AliasReserved"
    assert await answer(f"{base}/greet") == (200, "one")
