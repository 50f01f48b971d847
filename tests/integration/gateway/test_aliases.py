"""Aliases and names on a real Envoy: shares of the requests, moves under load, renames under load."""

from collections import Counter
from datetime import timedelta

from eventually import eventually
from gateway_replicas import Replica
from gateway_servers import GatewayHouse, Load
from gateway_world import DeploymentStory
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.envelope import now
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.replica import ReplicaState


async def three_releases(house: GatewayHouse, replicas: list[Replica]) -> DeploymentStory:
    """Release 1 has the alias `live`, 2 the alias `staging`, 3 none; replicas `a`, `b` and `c` are theirs."""
    story = DeploymentStory()
    for number in (1, 2, 3):
        story.add_release(number)
    story.traffic = {1: 100}
    story.aliases = {"staging": {2: 100}}
    facts = [
        story.fact(story.workload(number), address=replica.address)
        for number, replica in enumerate(replicas, start=1)
    ]
    await house.serve(story.desired, *facts)
    return story


async def by(house: GatewayHouse, path: str) -> str:
    _, told = await house.get(path)
    return str(told.get("by") or told["reason"])


async def test_each_alias_and_each_label_has_its_own_url(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await three_releases(house, replicas)
    paths = ["predict", "live/predict", "staging/predict", "20260101.1/predict", "20260101.3/predict"]

    before = [await by(house, f"/default/digits/{path}") for path in paths]
    story.pins = (3,)
    await house.serve(story.desired)
    _, told = await house.get("/default/digits/20260101.3/predict/x?y=1")

    assert before == ["a", "a", "b", "a", "EndpointUnknown"]
    assert (told["by"], told["path"]) == ("c", "/x?y=1")
    assert told["headers"]["x-forwarded-prefix"] == "/default/digits/20260101.3/predict"


async def test_requests_are_shared_by_weight(house: GatewayHouse, replicas: list[Replica]) -> None:
    story = await three_releases(house, replicas)
    story.aliases = {"staging": {1: 70, 2: 20, 3: 10}}
    await house.serve(story.desired)

    told = Counter([await by(house, "/default/digits/staging/predict") for _ in range(600)])

    # The bounds are five standard deviations away.
    assert 360 < told["a"] < 480
    assert 70 < told["b"] < 170
    assert 23 < told["c"] < 97


async def test_a_release_without_a_ready_replica_gives_its_share_to_the_others_and_takes_it_back(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await three_releases(house, replicas)
    story.traffic = {1: 50, 2: 50}
    await house.serve(story.desired, story.fact(story.workload(1), state=ReplicaState.UNREADY))

    without = {await by(house, "/default/digits/predict") for _ in range(20)}
    await house.serve(story.fact(story.workload(1), address=replicas[0].address))
    again = {await by(house, "/default/digits/predict") for _ in range(60)}

    assert (without, again) == ({"b"}, {"a", "b"})


async def test_moves_of_an_alias_under_load_lose_nothing_and_move_no_other_alias(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await three_releases(house, replicas)
    url = house.envoy.url + "/default/digits"
    steps: list[dict[int, int]] = [{1: 90, 3: 10}, {1: 50, 3: 50}, {3: 100}, {2: 40, 3: 60}, {1: 100}] * 3

    async with (
        Load(house.session, f"{url}/predict").running(100) as live,
        Load(house.session, f"{url}/staging/predict").running(100) as staging,
    ):
        for step in steps:
            story.traffic = step
            await house.serve(story.desired)
            await live.more(20)

    assert (live.failures, staging.failures) == ([], [])
    assert set(live.answers) == {"a", "b", "c"}
    assert set(staging.answers) == {"b"}


async def test_a_move_is_whole_once_it_is_applied(house: GatewayHouse, replicas: list[Replica]) -> None:
    story = await three_releases(house, replicas)
    url = "/default/digits/staging/predict"

    for release, name in ((3, "c"), (1, "a"), (2, "b")):
        story.releases[release] = story.releases[release].model_copy(update={"state": ReleaseState.READY})
        story.aliases = {"staging": {release: 100}}
        await house.serve(story.desired)

        async def only(name: str = name) -> bool:
            return {await by(house, url) for _ in range(8)} == {name}

        # Each worker of Envoy takes new routes over a moment after they are confirmed.
        await eventually(only)


async def test_an_alias_that_is_removed_is_unknown_and_the_releases_it_named_drain(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await three_releases(house, replicas)
    story.aliases = {}

    await house.serve(story.desired)

    async def drains() -> bool:
        record = await house.record()
        return record is not None and record.active.get(story.workload(2)) == 0

    await eventually(drains)
    assert await by(house, "/default/digits/staging/predict") == "EndpointUnknown"
    assert await by(house, "/default/digits/predict") == "a"


async def test_renames_under_load_lose_nothing_on_the_old_path_and_the_new(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await three_releases(house, replicas)
    until = now() + timedelta(hours=1)

    async with Load(house.session, house.envoy.url + "/default/digits/predict").running(100) as old:
        await old.more(10)
        story.settings = DeploymentSettings(name="shop")
        story.former_names = (FormerName(name="digits", until=until),)
        await house.serve(story.desired)
        async with Load(house.session, house.envoy.url + "/default/shop/predict").running(100) as new:
            for name in ("store", "shop", "market"):
                story.former_names += (FormerName(name=story.desired.name, until=until),)
                story.settings = DeploymentSettings(name=name)
                await house.serve(story.desired)
                await new.more(20)
    _, told = await house.get("/default/market/live/predict/x")

    assert (old.failures, new.failures) == ([], [])
    assert told["headers"]["x-forwarded-prefix"] == "/default/market/live/predict"
    assert {await by(house, f"/default/{name}/predict") for name in ("digits", "shop", "store")} == {"a"}


async def test_a_former_name_ends_by_itself(house: GatewayHouse, replicas: list[Replica]) -> None:
    story = await three_releases(house, replicas)
    story.settings = DeploymentSettings(name="shop")
    story.former_names = (FormerName(name="digits", until=now() + timedelta(seconds=1.5)),)
    await house.serve(story.desired)

    async def ended() -> bool:
        return await by(house, "/default/digits/predict") == "DeploymentUnknown"

    await eventually(ended)
    assert await by(house, "/default/shop/predict") == "a"


async def test_an_id_is_no_path_of_a_deployment_that_has_a_name(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await three_releases(house, replicas)
    story.settings = DeploymentSettings(name="shop")

    await house.serve(story.desired)

    assert await by(house, "/default/digits/predict") == "DeploymentUnknown"
    assert await by(house, "/default/shop/predict") == "a"


async def test_a_stopped_deployment_is_410_and_a_deleted_or_purged_one_404_at_every_name(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = await three_releases(house, replicas)
    story.settings = DeploymentSettings(name="shop")
    story.former_names = (FormerName(name="digits", until=now() + timedelta(hours=1)),)
    answers = {}

    for wanted in (Wanted.STOPPED, Wanted.DELETED, Wanted.STOPPED, Wanted.PURGED):
        story.wanted = wanted
        await house.serve(story.desired)
        paths = [f"/default/{name}{path}" for name in ("shop", "digits") for path in ("/predict", "/x/y", "")]
        answers[wanted] = {(await house.get(path))[0] for path in paths}

    assert answers == {Wanted.STOPPED: {410}, Wanted.DELETED: {404}, Wanted.PURGED: {404}}


async def test_of_two_deployments_at_one_path_the_one_whose_name_it_is_answers(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    until = now() + timedelta(hours=1)
    former = DeploymentStory(deployment="a-former", former_names=(FormerName(name="shop", until=until),))
    present = DeploymentStory(deployment="b-present", settings=DeploymentSettings(name="shop"))
    for story, replica in zip((former, present), replicas, strict=False):
        story.add_release(1)
        story.traffic = {1: 100}
        await house.serve(story.desired, story.fact(story.workload(1), address=replica.address))

    both = await by(house, "/default/shop/predict")
    present.wanted = Wanted.DELETED
    await house.serve(present.desired)

    assert (both, await by(house, "/default/shop/predict")) == ("b", "a")
