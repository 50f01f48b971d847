"""A deployment whose configuration Envoy refuses holds up itself alone, through restarts too."""

import pytest
from gateway_held import NAMES, answers, make_bad, make_good, read_unchecked, serving
from gateway_replicas import Replica
from gateway_servers import GatewayHouse, Load
from gateway_world import DeploymentStory
from slipway_contracts.lifecycle import Wanted


@pytest.fixture
async def house(house: GatewayHouse) -> GatewayHouse:
    return await read_unchecked(house)


async def change_all(house: GatewayHouse, stories: dict[str, DeploymentStory]) -> dict[str, int]:
    """Move every deployment to its second release, one of them to one that Envoy refuses."""
    sequences = {}
    for name, story in stories.items():
        story.traffic = {2: 100}
        if name == "bad":
            await house.publish(make_bad(story))
        sequences[name] = await house.publish(story.desired)
    return sequences


MOVED = {"one": "b", "two": "c", "bad": "a", "three": "c", "four": "b"}


async def test_one_refused_deployment_of_a_batch_keeps_its_routes_and_all_others_change(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    stories = await serving(house, replicas)
    await house.stop()
    sequences = await change_all(house, stories)

    house.start()
    record = await house.applied(sequences["four"])

    assert await answers(house) == MOVED
    assert set(record.held) == {"default/bad"}
    assert not record.has_applied("default/bad", sequences["bad"])
    assert all(record.has_applied(f"default/{name}", sequences[name]) for name in NAMES if name != "bad")


async def test_finding_the_refused_one_costs_the_others_no_request(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    stories = await serving(house, replicas)

    async with Load(house.session, house.envoy.url + "/default/one/predict").running() as load:
        for _ in range(3):
            await load.more(20)
            sequences = await change_all(house, stories)
            await house.applied(sequences["four"])
            for name in ("one", "two", "three", "four"):
                stories[name].traffic = {1: 100}
                await house.serve(stories[name].desired)
        await load.more(20)

    assert load.failures == []


async def test_a_gateway_that_starts_with_a_refused_deployment_takes_no_route_away(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    stories = await serving(house, replicas)
    sequences = await change_all(house, stories)
    await house.applied(sequences["four"])

    async with Load(house.session, house.envoy.url + "/default/bad/predict").running() as load:
        await house.stop()
        stories["one"].aliases = {"staging": {2: 100}}
        sequence = await house.publish(stories["one"].desired)
        house.start()
        record = await house.applied(sequence)
        await load.more(20)

    assert load.failures == []
    assert set(record.held) == {"default/bad"}
    assert await answers(house) == MOVED


async def test_the_next_record_is_tried_and_ends_the_hold_only_if_it_is_served(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    stories = await serving(house, replicas)
    bad = stories["bad"]
    first = (await change_all(house, stories))["bad"]
    await house.applied(first)

    again = await house.serve(bad.desired)
    make_good(bad)
    healed = await house.serve(bad.desired)

    assert again.held == {"default/bad": first}
    assert healed.held == {}
    assert (await house.get("/default/bad/predict"))[1]["by"] == "b"


async def test_a_held_deployment_follows_its_replicas_by_its_last_good_record(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    stories = await serving(house, replicas)
    bad = stories["bad"]
    first = (await change_all(house, stories))["bad"]
    await house.applied(first)

    moved = await house.serve(bad.fact(bad.workload(1), address=replicas[2].address))

    assert (await house.get("/default/bad/predict"))[1]["by"] == "c"
    assert moved.held == {"default/bad": first}


async def test_a_held_deployment_can_be_stopped_and_deleted(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    stories = await serving(house, replicas)
    bad = stories["bad"]
    await house.applied((await change_all(house, stories))["bad"])

    bad.wanted = Wanted.STOPPED
    stopped = await house.serve(bad.desired)
    status, _ = await house.get("/default/bad/predict")
    bad.wanted, bad.ended = Wanted.DELETED, True
    deleted = await house.serve(bad.desired)

    assert (stopped.held, deleted.held, status) == ({}, {}, 410)
    assert (await house.get("/default/bad/predict"))[0] == 404
