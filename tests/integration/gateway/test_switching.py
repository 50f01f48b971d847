"""Releases, replicas and Envoy come and go under load."""

import asyncio
import io
import signal
from collections.abc import AsyncIterator
from functools import partial

import pytest
from eventually import eventually
from gateway_replicas import Replica, ReplicaProcess
from gateway_servers import GatewayHouse, Load
from gateway_world import DeploymentStory, make_endpoint, two_releases
from slipway_contracts.replica import ReplicaState


@pytest.fixture
async def processes() -> AsyncIterator[list[ReplicaProcess]]:
    started = [ReplicaProcess(name) for name in "ab"]
    for each in started:
        await each.until_up()
    yield started
    for each in started:
        each.end()


async def test_switching_releases_back_and_forth_under_load_loses_nothing(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = two_releases()
    await house.serve(
        story.desired,
        story.fact(story.workload(1), address=replicas[0].address),
        story.fact(story.workload(2), address=replicas[1].address),
    )

    async with Load(house.session, house.envoy.url + "/default/digits/predict").running() as load:
        for round_number in range(20):
            await load.more(20)
            story.traffic = {1 + (round_number + 1) % 2: 100}
            await house.serve(story.desired)
        await load.more(20)

    assert load.failures == []
    assert min(load.answers["a"], load.answers["b"]) > 100


async def test_a_whole_redeploy_under_load_loses_nothing(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = DeploymentStory()
    story.add_release(1)
    story.traffic = {1: 100}
    old = story.workload(1)
    await house.serve(story.desired, story.fact(old, address=replicas[0].address))

    async with Load(house.session, house.envoy.url + "/default/digits/predict").running() as load:
        await load.more(50)
        story.add_release(2)
        await house.serve(story.desired)
        await house.serve(story.fact(story.workload(2), address=replicas[1].address))
        story.traffic = {2: 100}
        await house.serve(story.desired)
        await drained(house, old)
        await replicas[0].stop()
        del story.releases[1], story.workloads[old]
        await house.serve(story.desired, story.fact(old, state=ReplicaState.GONE))
        await load.more(50)

    assert load.failures == []
    assert set(load.answers) == {"a", "b"}


async def drained(house: GatewayHouse, workload: str) -> None:
    async def idle() -> bool:
        record = await house.record()
        return record is not None and record.active.get(workload) == 0

    await eventually(idle)


async def test_the_death_of_one_of_two_replicas_loses_no_request_of_an_idempotent_endpoint(
    house: GatewayHouse, processes: list[ReplicaProcess]
) -> None:
    story = DeploymentStory()
    story.add_release(1, make_endpoint(idempotent=True), replicas=2)
    story.traffic = {1: 100}
    workload = story.workload(1)
    await house.serve(
        story.desired,
        story.fact(workload, "0-1", address=processes[0].address),
        story.fact(workload, "1-1", address=processes[1].address),
    )

    async with Load(house.session, house.envoy.url + "/default/digits/predict").running() as load:
        await load.more(100)
        processes[0].end()
        await load.more(200)
        await house.serve(story.fact(workload, "0-1", state=ReplicaState.EXITED))
        await load.more(50)

    assert load.failures == []
    assert load.answers["b"] > 200


async def test_where_nothing_may_be_sent_twice_only_requests_in_flight_at_a_death_are_lost(
    house: GatewayHouse, processes: list[ReplicaProcess]
) -> None:
    story = DeploymentStory()
    story.add_release(1, replicas=2)
    story.traffic = {1: 100}
    workload = story.workload(1)
    await house.serve(
        story.desired,
        story.fact(workload, "0-1", address=processes[0].address),
        story.fact(workload, "1-1", address=processes[1].address),
    )

    async with Load(house.session, house.envoy.url + "/default/digits/predict").running() as load:
        await load.more(100)
        processes[0].end()
        await load.more(20)
        lost_at_once = list(load.failures)
        await load.more(200)

    assert set(lost_at_once) <= {"502 UpstreamReset"}
    assert len(lost_at_once) <= 5
    assert load.failures == lost_at_once


async def test_replicas_join_and_leave_under_load_without_loss(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = DeploymentStory()
    story.add_release(1, replicas=2)
    story.traffic = {1: 100}
    workload = story.workload(1)
    await house.serve(story.desired, story.fact(workload, "0-1", address=replicas[0].address))

    async with Load(house.session, house.envoy.url + "/default/digits/predict").running() as load:
        for state in [ReplicaState.READY, ReplicaState.UNREADY] * 10:
            fact = story.fact(workload, "1-1", state=state, address=replicas[1].address)
            # With the record behind it: the gateway tells at once how far it is only of records.
            await house.serve(fact, story.desired)
            await load.more(10)

    assert load.failures == []
    assert load.answers["b"] > 20


async def test_an_upload_of_unknown_size_that_outlasts_a_switch_goes_to_the_new_release(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = DeploymentStory()
    story.add_release(1, make_endpoint(max_body_bytes=10_000))
    story.traffic = {1: 100}
    old = story.workload(1)
    await house.serve(story.desired, story.fact(old, address=replicas[0].address))
    began, switched = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 100
        began.set()
        await switched.wait()
        yield b"x" * 100

    upload = asyncio.create_task(house.get("/default/digits/predict", "POST", data=body()))
    await began.wait()
    story.add_release(2, make_endpoint(max_body_bytes=10_000))
    story.traffic = {2: 100}
    await house.serve(story.fact(story.workload(2), address=replicas[1].address), story.desired)
    del story.releases[1], story.workloads[old]
    await house.serve(story.desired)
    switched.set()

    status, told = await upload
    assert (status, told["by"], told["bytes"]) == (200, "b", 200)


async def test_a_large_body_is_kept_for_the_next_replica_when_one_refuses_the_connection(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = DeploymentStory()
    story.add_release(1, replicas=2)
    story.traffic = {1: 100}
    workload = story.workload(1)
    await house.serve(
        story.desired,
        story.fact(workload, "0-1", address=replicas[0].address),
        story.fact(workload, "1-1", address=replicas[1].address),
    )
    await replicas[0].stop()

    body = partial(io.BytesIO, b"x" * (6 << 20))
    answers = [await house.get("/default/digits/predict", "POST", data=body()) for _ in range(6)]

    assert {(status, told["by"], told["bytes"]) for status, told in answers} == {(200, "b", 6 << 20)}


async def test_envoy_serves_after_its_restart_while_no_gateway_runs(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = two_releases()
    await house.serve(story.desired, story.fact(story.workload(1), address=replicas[0].address))
    await house.stop()
    house.envoy.end(signal.SIGKILL)

    house.envoy.start()
    await house.envoy.until_up()
    status, told = await house.get("/default/digits/predict")

    assert (status, told["by"]) == (200, "a")


async def test_while_envoy_is_down_nothing_counts_as_applied_and_it_serves_the_news_when_it_is_back(
    house: GatewayHouse, replicas: list[Replica]
) -> None:
    story = two_releases()
    before = await house.serve(story.desired, story.fact(story.workload(1), address=replicas[0].address))
    house.envoy.end(signal.SIGKILL)

    story.traffic = {2: 100}
    sequence = await house.publish(story.fact(story.workload(2), address=replicas[1].address), story.desired)

    async def down() -> bool:
        record = await house.record()
        return record is not None and record.envoy == "down"

    await eventually(down)
    meanwhile = await house.record()
    problems = await house.problems()
    house.envoy.start()
    await house.applied(sequence)

    assert meanwhile is not None
    assert before.applied <= meanwhile.applied < sequence
    assert "envoy" in problems
    assert (await house.get("/default/digits/predict"))[1]["by"] == "b"
