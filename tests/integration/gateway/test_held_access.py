"""What Envoy refuses is held, but never opens more than its newest record asks for."""

import asyncio

import pytest
from gateway_access import Issuer, basic, bearer, make_key, make_user, reason, with_access
from gateway_held import REFUSED, make_bad, make_good, read_unchecked, serving
from gateway_replicas import Replica
from gateway_servers import GatewayHouse, Load
from gateway_world import DeploymentStory
from slipway_contracts.access import AccessMode

URL = "/default/bad/predict"
ADA = make_user("ada", "secret")
ASKED = basic("ada", "secret")
CLOSED = (503, "AccessNotApplied")


@pytest.fixture
async def house(house: GatewayHouse) -> GatewayHouse:
    return await read_unchecked(house)


@pytest.fixture
async def bad(house: GatewayHouse, replicas: list[Replica]) -> DeploymentStory:
    """A deployment that is open and served."""
    return (await serving(house, replicas, ("one", "bad")))["bad"]


async def refuse(house: GatewayHouse, bad: DeploymentStory) -> int:
    """Publish a record that Envoy refuses; return its position once it is held."""
    await house.publish(make_bad(bad))
    sequence = await house.publish(bad.desired)
    record = await house.applied(sequence)
    assert record.held == {"default/bad": sequence}
    return sequence


async def test_what_was_open_is_closed_once_it_is_asked_to_be_guarded(
    house: GatewayHouse, bad: DeploymentStory
) -> None:
    with_access(bad, AccessMode.BASIC, users=(ADA,))

    await refuse(house, bad)
    status, told = await house.get(URL)

    assert (status, told["reason"], told["deployment"]) == (503, "AccessNotApplied", "bad")
    assert "Envoy's log" in told["hint"]
    assert await reason(house, ASKED, URL) == CLOSED
    assert await reason(house, {}, "/default/bad/live/predict") == CLOSED
    assert await reason(house, {}, f"/default/bad/{REFUSED}") == CLOSED
    assert (await house.get("/default/one/predict"))[0] == 200


async def test_a_user_who_was_removed_gets_in_no_more(house: GatewayHouse, bad: DeploymentStory) -> None:
    bob = make_user("bob", "other")
    await house.serve(with_access(bad, AccessMode.BASIC, users=(ADA, bob)).desired)
    with_access(bad, AccessMode.BASIC, users=(ADA,))

    await refuse(house, bad)

    assert await reason(house, basic("bob", "other"), URL) == CLOSED


async def test_a_key_that_was_revoked_gets_in_no_more(
    house: GatewayHouse, bad: DeploymentStory, issuer: Issuer
) -> None:
    key = make_key()
    await house.serve(with_access(bad, AccessMode.KEYS, keys=(key,)).desired)
    headers = bearer(issuer.token(key.id, audience="default/bad"))
    before = await reason(house, headers, URL)
    with_access(bad, AccessMode.KEYS, keys=(key.model_copy(update={"revoked": True}),))

    await refuse(house, bad)

    assert (before, await reason(house, headers, URL)) == ((200, None), CLOSED)


async def test_with_the_same_access_or_none_the_last_good_routes_serve_on(
    house: GatewayHouse, bad: DeploymentStory
) -> None:
    await house.serve(with_access(bad, AccessMode.BASIC, users=(ADA,)).desired)

    async with Load(house.session, house.envoy.url + "/default/one/predict").running() as load:
        await refuse(house, bad)
        same = [await reason(house, each, URL) for each in ({}, ASKED)]
        await house.serve(with_access(bad, AccessMode.OPEN).desired)
        opened = [await reason(house, each, URL) for each in ({}, ASKED)]
        await load.more(20)

    assert same == opened == [(401, "AccessDenied"), (200, None)]
    assert load.failures == []


async def test_a_closed_deployment_stays_so_whatever_its_replicas_do_and_through_restarts(
    house: GatewayHouse, bad: DeploymentStory, replicas: list[Replica]
) -> None:
    with_access(bad, AccessMode.BASIC, users=(ADA,))
    first = await refuse(house, bad)

    moved = await house.serve(bad.fact(bad.workload(1), address=replicas[2].address))
    running = await reason(house, {}, URL)
    await house.stop()
    house.start()
    restarted = await house.serve(bad.fact(bad.workload(1), address=replicas[1].address))

    assert (moved.held, set(restarted.held)) == ({"default/bad": first}, {"default/bad"})
    assert (running, await reason(house, {}, URL)) == (CLOSED, CLOSED)


async def test_what_changed_while_the_gateway_was_away_is_closed_when_it_starts(
    house: GatewayHouse, bad: DeploymentStory
) -> None:
    await house.stop()
    with_access(bad, AccessMode.BASIC, users=(ADA,))
    await house.publish(make_bad(bad))
    sequence = await house.publish(bad.desired)

    house.start()
    await house.applied(sequence)

    assert await reason(house, {}, URL) == CLOSED


async def test_a_record_that_envoy_takes_or_whose_access_is_the_last_good_one_opens_it_again(
    house: GatewayHouse, bad: DeploymentStory
) -> None:
    with_access(bad, AccessMode.BASIC, users=(ADA,))
    await refuse(house, bad)

    back = await house.serve(with_access(bad, AccessMode.OPEN).desired)
    as_before = await house.get(URL)
    make_good(with_access(bad, AccessMode.BASIC, users=(ADA,)))
    healed = await house.serve(bad.desired)

    assert (as_before[0], as_before[1]["by"], set(back.held)) == (200, "a", {"default/bad"})
    assert healed.held == {}
    assert [await reason(house, each, URL) for each in ({}, ASKED)] == [(401, "AccessDenied"), (200, None)]


async def test_a_request_on_its_way_when_its_deployment_is_closed_gets_its_answer(
    house: GatewayHouse, bad: DeploymentStory, replicas: list[Replica]
) -> None:
    request = asyncio.create_task(house.get(URL + "/wait"))
    await replicas[0].first_chunk.wait()

    with_access(bad, AccessMode.BASIC, users=(ADA,))
    await refuse(house, bad)
    closed = await reason(house, {}, URL)
    replicas[0].go_on.set()

    assert closed == CLOSED
    assert (await request)[0] == 200
