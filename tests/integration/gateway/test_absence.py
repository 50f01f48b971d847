"""What is not there removes nothing: logs that are empty, wrong or gone, and gateways that die."""

import asyncio
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM

from eventually import eventually
from gateway_replicas import Replica
from gateway_servers import GatewayHouse, gateway_process
from gateway_world import DeploymentStory
from servers import NatsServer
from slipway_chassis.connection import Connection
from slipway_chassis.provision import provision
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.topology import LOG


async def two_deployments(house: GatewayHouse, replicas: list[Replica]) -> list[DeploymentStory]:
    stories = [DeploymentStory(deployment=name) for name in ("one", "two")]
    for story, replica in zip(stories, replicas, strict=False):
        story.add_release(1)
        story.traffic = {1: 100}
        await house.serve(story.desired, story.fact(story.workload(1), address=replica.address))
    return stories


async def answers(house: GatewayHouse) -> list[object]:
    told = [await house.get(f"/default/{name}/predict") for name in ("one", "two")]
    return [body.get("by") or body["reason"] for _, body in told]


async def test_a_gateway_that_is_killed_and_started_again_leaves_every_byte_in_place(
    house: GatewayHouse, replicas: list[Replica], fresh_nats: NatsServer
) -> None:
    await two_deployments(house, replicas)
    await house.stop()
    before = house.envoy.files()
    inodes = {each.stat().st_ino for each in (house.envoy.folder / "state/xds").iterdir()}

    for end in (SIGKILL, SIGTERM):
        began = await house.record()
        process = gateway_process(house, fresh_nats.url)
        await eventually(partial(newer, house, began), timeout=20)
        process.send_signal(end)
        process.wait(timeout=20)

        assert house.envoy.files() == before
        assert {each.stat().st_ino for each in (house.envoy.folder / "state/xds").iterdir()} == inodes
    assert await answers(house) == ["a", "b"]


async def newer(house: GatewayHouse, than: object) -> bool:
    record = await house.record()
    return record is not None and record != than


async def test_an_emptied_log_takes_no_route_from_a_gateway_that_runs_or_starts(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    await two_deployments(house, replicas)
    before = house.envoy.files()

    await house.connection.nc.jetstream().purge_stream(LOG.name)
    await house.stop()
    house.start()
    await eventually(lambda: ready(house))

    assert house.envoy.files() == before
    assert await answers(house) == ["a", "b"]


async def ready(house: GatewayHouse) -> bool:
    return await house.problems() == {}


async def test_a_log_that_was_lost_and_made_anew_takes_no_route_and_changes_what_it_names(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    stories = await two_deployments(house, replicas)
    jetstream = house.connection.nc.jetstream()
    before = house.envoy.files()

    await jetstream.delete_stream(LOG.name)
    await provision(house.connection)
    stories[1].wanted = Wanted.STOPPED
    sequence = await house.publish(stories[1].desired)
    await eventually(lambda: stopped(house), timeout=30)

    assert sequence == 1
    assert await answers(house) == ["a", "DeploymentStopped"]
    assert house.envoy.files()["clusters.json"] == before["clusters.json"]
    await eventually(lambda: says_applied(house, 1))


async def says_applied(house: GatewayHouse, sequence: int) -> bool:
    record = await house.record()
    return record is not None and record.applied == sequence


async def stopped(house: GatewayHouse) -> bool:
    return (await house.get("/default/two/predict"))[0] == 410


async def test_the_log_of_another_installation_takes_no_route(
    house: GatewayHouse, replicas: list[Replica], tmp_path: Path
) -> None:
    await two_deployments(house, replicas)
    await house.stop()
    before = house.envoy.files()
    wrong = NatsServer(tmp_path / "wrong")
    wrong.start()
    connection = await Connection.open(url=wrong.url, user=None, password=None, name="wrong")
    await provision(connection)
    other = GatewayHouse(connection=connection, envoy=house.envoy, session=house.session)

    other.start()
    await eventually(lambda: ready(other))
    record = await other.applied(0)
    await other.stop()
    await connection.close()
    wrong.stop()

    assert record.applied == 0
    assert house.envoy.files() == before
    assert await answers(house) == ["a", "b"]


async def test_while_nats_is_down_envoy_serves_and_the_gateway_goes_on_afterwards(
    house: GatewayHouse, replicas: list[Replica], fresh_nats: NatsServer
) -> None:
    stories = await two_deployments(house, replicas)

    fresh_nats.kill9()
    meanwhile = await answers(house)
    fresh_nats.start()
    stories[1].wanted = Wanted.STOPPED
    await asyncio.wait_for(until_published(house, stories[1]), timeout=20)

    await eventually(lambda: stopped(house), timeout=20)
    assert meanwhile == ["a", "b"]
    assert await answers(house) == ["a", "DeploymentStopped"]


async def until_published(house: GatewayHouse, story: DeploymentStory) -> None:
    await house.connection.wait_up(within=20)
    await house.publish(story.desired)


async def test_before_the_log_was_ever_read_the_gateway_does_not_pretend_to_know(
    house: GatewayHouse,
) -> None:
    await house.stop()
    (house.envoy.folder / "state/xds/routes.json").unlink()

    house.envoy.prepare()

    async def starting() -> bool:
        status, told = await house.get("/default/digits/predict")
        return (status, told["reason"]) == (503, "GatewayStarting")

    await eventually(starting)


async def test_a_damaged_snapshot_stops_the_gateway_instead_of_removing_routes(
    house: GatewayHouse, replicas: list[Replica], fresh_nats: NatsServer
) -> None:
    await two_deployments(house, replicas)
    await house.stop()
    before = house.envoy.files()
    (house.envoy.folder / "state/known.json").write_bytes(b"{")

    process = gateway_process(house, fresh_nats.url)
    code = await asyncio.to_thread(process.wait, 20)

    assert code == 1
    assert house.envoy.files() == before
    assert await answers(house) == ["a", "b"]
