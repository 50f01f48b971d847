"""Three processes of each service, and one of each killed in turn, while commands and requests go on."""

import tempfile
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import pytest
from e2e.running_platform import FIXTURES, RunningPlatform, calling, ended
from e2e.scaled_platform import SERVICES, ScaledPlatform, scaled, until_serving
from eventually import eventually
from slipway.documents import Accepted, Configuration

_MORE: Final = 2
_PATH: Final = "/default/scaled/greet"
_CREATED: Final = "release.created.v1"
_ENDS: Final = ("operation.succeeded.v1", "operation.failed.v1", "operation.superseded.v1")


@pytest.fixture(scope="module")
def own_platform() -> Iterator[RunningPlatform]:
    """A platform of this module alone: its gateways must not outlive it in the platform of other tests."""
    with tempfile.TemporaryDirectory(prefix="slipway scaled ") as name:
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        try:
            yield platform
        finally:
            platform.down()


async def redeploy(made: ScaledPlatform, api: int, greeting: str, *, built: bool) -> Accepted:
    """Ask one of the apis for a redeploy, from source or of what is built."""
    async with made.client(api) as client:
        config = Configuration(environment={"GREETING": greeting})
        if built:
            source = await client.upload_folder(FIXTURES / "greeter")
            return await client.deploy("scaled", source=source, config=config)
        version = (await client.deployment("scaled")).version_label
        return await client.deploy("scaled", version=version, config=config)


async def carried_out(made: ScaledPlatform, api: int, accepted: Accepted) -> str:
    """Wait for its end at another api; return the operation."""
    async with made.client(api) as client:
        operation = await ended(client, accepted, within=120)
    assert operation.state == "SUCCEEDED", operation
    return accepted.operation.id


async def test_three_of_each_lose_nothing_when_one_of_each_is_killed(own_platform: RunningPlatform) -> None:
    ran = own_platform.slipway("deploy", str(FIXTURES / "greeter"), "--name", "scaled", "--replicas", "2")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    operations: list[str] = []

    async with scaled(own_platform, more=_MORE) as made:
        await until_serving(made, _PATH)
        async with AsyncExitStack() as stack:
            probes = [
                await stack.enter_async_context(calling(f"{url}{_PATH}", per_second=15))
                for url in made.gateway_urls
            ]
            for number in range(_MORE):
                for turn, service in enumerate(SERVICES):
                    # It dies while the command that this api accepted is under way.
                    accepted = await redeploy(made, number, f"{service} {number}", built=turn % 3 == 0)
                    made.kill9(service, made.active(service, otherwise=number))
                    operations.append(await carried_out(made, (number + 1) % 3, accepted))
                    await until_serving(made, _PATH)
        messages = await told(made, operations)
        await own_platform.ready()

    # The gateways beside the platform's own are gone for good, and nothing may wait for them.
    for name in await gone_gateways(own_platform):
        ran = own_platform.slipway("gateway", "rm", name)
        assert ran.returncode == 0, ran.stdout + ran.stderr
    alone = own_platform.slipway("redeploy", "scaled", "--env", "GREETING=alone")
    verified = own_platform.slipway("projections", "verify")
    assert [probe.failures for probe in probes] == [[]] * 3
    assert all(probe.answers > 100 for probe in probes)
    assert sorted(messages) == sorted(2 * operations)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def gone_gateways(platform: RunningPlatform) -> list[str]:
    """Return the gateways that were started beside the platform's own, once all of them are silent."""
    async with platform.client() as client:

        async def gone() -> list[str]:
            return [each.name async for each in client.installation.gateways() if each.silent]

        async def are_gone() -> bool:
            return len(await gone()) == _MORE

        await eventually(are_gone, timeout=60)
        return await gone()


async def told(made: ScaledPlatform, operations: list[str]) -> list[str]:
    """Return the operation of each release and of each end that the log tells of these."""
    async with made.client(2) as client:
        page = [event async for event in client.past_events(deployment="scaled", types=(_CREATED, *_ENDS))]
    return [str(event.data["operation"]) for event in page if event.data["operation"] in operations]
