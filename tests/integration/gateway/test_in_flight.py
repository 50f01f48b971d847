"""Requests in flight are counted where no new ones go, until they end."""

import asyncio
import json

from eventually import eventually
from gateway_replicas import Replica
from gateway_servers import GatewayHouse
from gateway_world import DeploymentStory, two_releases
from slipway_contracts.lifecycle import Wanted


async def test_a_request_in_flight_is_counted_until_it_ends_after_its_release_lost_the_traffic(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = two_releases()
    old, new = story.workload(1), story.workload(2)
    await house.serve(
        story.desired,
        story.fact(old, address=replicas[0].address),
        story.fact(new, address=replicas[1].address),
    )
    request = asyncio.create_task(house.get("/default/digits/predict/wait"))
    await replicas[0].first_chunk.wait()

    story.traffic = {2: 100}
    await house.serve(story.desired)
    await active(house, old, 1)
    replicas[0].go_on.set()
    await active(house, old, 0)

    status, told = await request
    assert (status, told["by"]) == (200, "a")


async def active(house: GatewayHouse, workload: str, count: int) -> None:
    async def counted() -> bool:
        record = await house.record()
        return record is not None and record.active.get(workload) == count

    await eventually(counted)


async def test_a_websocket_counts_as_a_request_until_it_is_closed(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = two_releases()
    old = story.workload(1)
    await house.serve(
        story.desired,
        story.fact(old, address=replicas[0].address),
        story.fact(story.workload(2), address=replicas[1].address),
    )

    async with house.session.ws_connect(house.envoy.url + "/default/digits/predict/websocket") as socket:
        story.traffic = {2: 100}
        await house.serve(story.desired)
        await active(house, old, 1)
        await socket.send_str("still here")
        assert await socket.receive_str() == "a: still here"

    await active(house, old, 0)


async def test_a_request_survives_the_removal_of_its_cluster_and_is_still_counted(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = DeploymentStory()
    story.add_release(1, replicas=2)
    story.traffic = {1: 100}
    workload = story.workload(1)
    await house.serve(story.desired, story.fact(workload, "1-1", address=replicas[1].address))
    request = asyncio.create_task(house.get("/default/digits/predict/wait"))
    await replicas[1].first_chunk.wait()
    await house.serve(story.fact(workload, "0-1", address=replicas[0].address))

    story.serve_only(workload, 1)
    await house.serve(story.desired)
    names = {each["name"] for each in json.loads(house.envoy.files()["clusters.json"])["resources"]}
    await leaving(house, f"{workload}/1-1", 1)
    others = [(await house.get("/default/digits/predict"))[1]["by"] for _ in range(5)]
    replicas[1].go_on.set()
    await leaving(house, f"{workload}/1-1", 0)

    status, told = await request
    assert names == {f"{workload}-1"}
    assert (status, told["by"], set(others)) == (200, "b", {"a"})


async def leaving(house: GatewayHouse, replica: str, count: int) -> None:
    async def counted() -> bool:
        record = await house.record()
        return record is not None and record.leaving.get(replica) == count

    await eventually(counted)


async def test_stopping_lets_requests_in_flight_end(house: GatewayHouse, replicas: list[Replica]) -> None:
    story = two_releases()
    workload = story.workload(1)
    await house.serve(story.desired, story.fact(workload, address=replicas[0].address))
    request = asyncio.create_task(house.get("/default/digits/predict/wait"))
    await replicas[0].first_chunk.wait()

    story.wanted = Wanted.STOPPED
    await house.serve(story.desired)
    refused = await house.get("/default/digits/predict")
    await active(house, workload, 1)
    replicas[0].go_on.set()

    assert refused[0] == 410
    assert (await request)[0] == 200
    await active(house, workload, 0)
