"""Deployments of which one asks for what Envoy refuses. No valid record does: it is read past validation."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from gateway_replicas import Replica
from gateway_servers import GatewayHouse
from gateway_world import DeploymentStory, make_endpoint
from slipway_chassis.event_log import CaughtUp, EventLog, Start
from slipway_chassis.stored import Stored
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.replica import ReplicaFact

NAMES = ("one", "two", "bad", "three", "four")
REFUSED = "refused"


class UncheckedLog(EventLog):
    """The log, whose readers get a limit of no byte for the bodies of some endpoints, which Envoy refuses."""

    async def follow(self, *filters: str, start: Start) -> AsyncGenerator[Stored | CaughtUp]:
        async with aclosing(super().follow(*filters, start=start)) as records:
            async for record in records:
                if isinstance(record, Stored) and isinstance(record.message, Desired):
                    releases = tuple(_unchecked(each) for each in record.message.releases)
                    record.__dict__["message"] = record.message.model_copy(update={"releases": releases})
                yield record


def _unchecked(release: DesiredRelease) -> DesiredRelease:
    assert release.version is not None
    endpoints = tuple(
        each.model_copy(update={"max_body_bytes": 0}) if each.name == REFUSED else each
        for each in release.version.endpoints
    )
    return release.model_copy(update={"version": release.version.model_copy(update={"endpoints": endpoints})})


async def read_unchecked(house: GatewayHouse) -> GatewayHouse:
    """Restart the gateway on the log that is read past validation."""
    await house.stop()
    house.log = UncheckedLog(connection=house.connection)
    house.start()
    return house


async def serving(
    house: GatewayHouse, replicas: Sequence[Replica], names: Sequence[str] = NAMES
) -> dict[str, DeploymentStory]:
    """Return deployments whose first release is answered by `a`, and whose second would be by `b` or `c`."""
    stories = {name: DeploymentStory(deployment=name) for name in names}
    for number, story in enumerate(stories.values()):
        story.add_release(1)
        story.add_release(2)
        story.traffic = {1: 100}
        await house.serve(
            story.desired,
            story.fact(story.workload(1), address=replicas[0].address),
            story.fact(story.workload(2), address=replicas[1 + number % 2].address),
        )
    return stories


def make_bad(story: DeploymentStory) -> ReplicaFact:
    """Send its requests to a second release that Envoy refuses; return the fact that belongs to it."""
    story.add_release(2, make_endpoint(), make_endpoint(REFUSED))
    story.traffic = {2: 100}
    return story.fact(story.workload(2, REFUSED), address="127.0.0.1:9")


def make_good(story: DeploymentStory) -> None:
    """Take away what Envoy refuses."""
    story.add_release(2)


async def answers(house: GatewayHouse) -> dict[str, str]:
    """Return the name of the replica that answers, by deployment."""
    return {name: (await house.get(f"/default/{name}/predict"))[1]["by"] for name in NAMES}
