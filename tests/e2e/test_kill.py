"""`kill -9` of every process at the points where a deploy is most exposed."""

import asyncio
from collections import Counter
from contextlib import aclosing

import pytest
from e2e.running_platform import FIXTURES, RunningPlatform, calling, ended
from slipway.client import Slipway
from slipway.documents import Accepted, Configuration

PROCESSES = (
    "api",
    "builder",
    "deployer",
    "monitor",
    "gateway",
    "projector",
    "notifier",
    "nats",
    "postgres",
    "envoy",
)
POINTS = {"accepted": None, "starting": "release.starting.v1", "first-ready": "replica.v1"}
ONCE = ("release.created.v1", "release.starting.v1", "release.ready.v1", "release.live.v1")


async def reach(client: Slipway, accepted: Accepted, event_type: str | None) -> None:
    """Return when the event was seen that marks the point."""
    if event_type is None:
        return
    stream = client.events(deployment=accepted.deployment, types=[event_type], after=accepted.sequence)
    async with aclosing(stream) as events:
        async for event in events:
            if event_type != "replica.v1" or event.data["state"] == "ready":
                return


async def history(client: Slipway, accepted: Accepted, release: int | None) -> Counter[str]:
    """Count the events of this release, from its command to the end of its operation."""
    counts: Counter[str] = Counter()
    stream = client.events(deployment=accepted.deployment, after=accepted.sequence - 1)
    async with aclosing(stream) as events:
        async for event in events:
            counts[event.type] += event.data.get("release") == release
            if event.type == "operation.succeeded.v1" and event.data["operation"] == accepted.operation.id:
                return counts
    raise AssertionError("the event stream ended")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("process", PROCESSES)
async def test_a_deploy_survives_the_death_of_any_process(
    platform: RunningPlatform, serving: str, process: str, point: str
) -> None:
    greeting = f"{process} died when {point}"
    async with platform.client() as client, calling(serving) as probe:
        source = await client.upload_folder(FIXTURES / "greeter")
        accepted = await client.deploy(
            "serving", source=source, config=Configuration(environment={"GREETING": greeting})
        )

        await reach(client, accepted, POINTS[point])
        platform.kill9(process)
        operation = await ended(client, accepted)
        deployment = await client.deployment("serving", at_least=accepted.sequence)
        counts = await asyncio.wait_for(history(client, accepted, operation.release), 30)
        await platform.ready()

    assert operation.state == "SUCCEEDED", operation
    assert deployment.state == "DEPLOYED"
    assert [counts[each] for each in ONCE] == [1] * len(ONCE)
    assert probe.answers > 0
    if process == "envoy":
        assert probe.longest_gap < 1.0, probe.failures[:3]
    else:
        assert probe.failures == []
