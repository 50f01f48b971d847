"""A deployment gets another name while it is called, and nobody who calls it notices."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from e2e.carrying_out import GREETER, answer, carried_out, comes_to_answer, done, refusal
from e2e.running_platform import RunningPlatform, calling
from eventually import eventually
from slipway.client import Slipway

NAME = "renamed"


@pytest.fixture(scope="module")
def base(platform: RunningPlatform) -> str:
    done(platform, "deploy", str(GREETER), "--name", NAME)
    return f"{platform.gateway_url}/default"


@pytest.fixture
async def client(platform: RunningPlatform) -> AsyncIterator[Slipway]:
    async with platform.client() as client:
        yield client


async def test_a_renamed_deployment_answers_at_both_names_without_a_lost_request(
    client: Slipway, base: str
) -> None:
    before = await client.deployment(NAME)
    releases = len([each async for each in client.releases(NAME)])

    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(calling(f"{base}/{NAME}/greet"))
        await eventually(lambda: old.answers > 10)
        await carried_out(client, client.configure(NAME, {"name": "numbers"}))
        new = await stack.enter_async_context(calling(f"{base}/numbers/greet"))
        answers = old.answers
        await eventually(lambda: new.answers > 20 and old.answers > answers + 20)

    after = await client.deployment(NAME)
    assert (old.failures, new.failures) == ([], [])
    assert (after.id, after.name, after.url) == (NAME, "numbers", f"{base}/numbers")
    assert after.settings is not None
    assert [each.name for each in after.settings.former_names] == [NAME]
    assert len([each async for each in client.releases(NAME)]) == releases
    assert after.live_release == before.live_release


async def test_a_former_name_is_routed_for_the_grace_time_only(client: Slipway, base: str) -> None:
    await carried_out(client, client.configure(NAME, {"name": "brief", "rename_grace_seconds": 1.0}))
    await carried_out(client, client.configure(NAME, {"name": "long"}))

    assert (await answer(f"{base}/long/greet"))[0] == 200
    await comes_to_answer(f"{base}/brief/greet", 404)
    assert (await answer(f"{base}/long/greet"))[0] == 200


async def test_a_name_that_another_deployment_has_is_refused(
    client: Slipway, base: str, serving: str
) -> None:
    taken = await refusal(client.configure(NAME, {"name": "serving"}))
    await carried_out(client, client.configure(NAME, {"name": "mine", "rename_grace_seconds": 86400.0}))
    created = await refusal(client.create("mine", source=await client.upload_folder(GREETER)))

    assert (taken.status, taken.reason) == (409, "NameTaken")
    assert (created.status, created.reason) == (409, "NameTaken")
    assert (await answer(serving))[0] == 200
    assert (await answer(f"{base}/mine/greet"))[0] == 200


async def test_without_a_name_the_id_is_the_path_again(client: Slipway, base: str) -> None:
    await carried_out(client, client.configure(NAME, {"name": "other"}))
    await carried_out(client, client.configure(NAME, {"name": None}))

    assert (await client.deployment(NAME)).name == NAME
    assert (await answer(f"{base}/{NAME}/greet"))[0] == 200
    assert (await answer(f"{base}/other/greet"))[0] == 200


async def test_the_command_line_renames(platform: RunningPlatform, base: str) -> None:
    ran = platform.slipway("rename", NAME, "by-command")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (await answer(f"{base}/by-command/greet"))[0] == 200
    assert platform.slipway("show", NAME).returncode == 0
