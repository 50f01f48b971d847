"""Names in the URL paths of a group: one owner each, whoever races for it, until it is used no more."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from api_world import SOURCE_DIGEST, Api, problem
from slipway_contracts import subjects
from slipway_contracts.commands import Purge
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import NameClaimed
from slipway_contracts.lifecycle import Wanted

DEPLOYMENTS = "/v1/groups/default/deployments"


@pytest.fixture(autouse=True)
async def _source(api: Api) -> None:
    await api.upload()


async def create(api: Api, deployment: str, **settings: Any) -> httpx.Response:
    body = {"id": deployment, "source": SOURCE_DIGEST, "settings": settings}
    return await api.http.post(DEPLOYMENTS, json=body)


async def rename(api: Api, deployment: str, name: str) -> httpx.Response:
    return await api.http.patch(f"{DEPLOYMENTS}/{deployment}", json={"name": name})


async def owner(api: Api, name: str) -> str | None:
    last = await api.platform.log.last(subjects.name_claim("default", name))
    return last.message.deployment if last and isinstance(last.message, NameClaimed) else None


async def decided(api: Api, deployment: str, **record: Any) -> None:
    """Do what the deployer does for all commands so far."""
    position = await api.platform.log.end()
    await api.platform.tell(
        Desired(**{"group": "default", "deployment": deployment, "position": position, **record})
    )


async def test_a_new_deployment_owns_its_id_and_its_name(api: Api) -> None:
    answer = await create(api, "digits", name="numbers")

    assert answer.status_code == 202, answer.text
    assert (await owner(api, "digits"), await owner(api, "numbers")) == ("digits", "digits")


async def test_of_many_deployments_that_race_for_a_name_one_gets_it(api: Api) -> None:
    answers = await asyncio.gather(*(create(api, f"d{n}", name="numbers") for n in range(8)))

    winners = [answer.json()["deployment"] for answer in answers if answer.status_code == 202]
    losers = [problem(answer, 409, "NameTaken") for answer in answers if answer.status_code != 202]
    assert winners == [await owner(api, "numbers")]
    assert {loser["holder"] for loser in losers} == set(winners)


async def test_an_id_and_a_name_never_are_the_same_path(api: Api) -> None:
    await create(api, "digits", name="numbers")

    as_id = await create(api, "numbers")
    as_name = await create(api, "other", name="digits")

    assert problem(as_id, 409, "NameTaken")["holder"] == "digits"
    assert problem(as_name, 409, "NameTaken")["holder"] == "digits"


async def test_a_name_of_a_command_that_is_not_decided_yet_is_taken(api: Api) -> None:
    await create(api, "digits")
    await create(api, "other")
    await decided(api, "digits")

    renamed = await rename(api, "digits", "numbers")

    assert renamed.status_code == 202, renamed.text
    problem(await rename(api, "other", "numbers"), 409, "NameTaken")


async def test_a_former_name_is_kept_while_it_is_routed_and_free_after(api: Api) -> None:
    await create(api, "digits", name="numbers")
    await create(api, "other")
    settings = DeploymentSettings(name="figures")
    routed = FormerName(name="numbers", until=now() + timedelta(hours=1))
    await decided(api, "digits", settings=settings, former_names=(routed,))
    while_routed = await rename(api, "other", "numbers")

    over = routed.model_copy(update={"until": now() - timedelta(seconds=1)})
    await decided(api, "digits", settings=settings, former_names=(over,))
    after = await rename(api, "other", "numbers")

    problem(while_routed, 409, "NameTaken")
    assert after.status_code == 202, after.text
    assert await owner(api, "numbers") == "other"


async def test_names_are_free_once_the_deployment_is_purged(api: Api) -> None:
    await create(api, "digits", name="numbers")
    settings = DeploymentSettings(name="numbers")
    await decided(api, "digits", wanted=Wanted.DELETED, ended=True, settings=settings)
    deleted = await create(api, "other", name="numbers")
    purge = Purge(group="default", deployment="digits", by="ada", request_digest=f"sha256:{2:064x}")
    await api.platform.tell(purge)

    await decided(api, "digits", wanted=Wanted.PURGED, ended=True, settings=settings)
    purged = await create(api, "other", name="numbers")

    problem(deleted, 409, "NameTaken")
    assert purged.status_code == 202, purged.text
    assert await owner(api, "numbers") == "other"


async def test_a_repeated_create_claims_once(api: Api) -> None:
    body = {"id": "digits", "source": SOURCE_DIGEST, "settings": {"name": "numbers"}}
    key = {"Idempotency-Key": "once"}

    answers = await asyncio.gather(*(api.http.post(DEPLOYMENTS, json=body, headers=key) for _ in range(4)))

    claims = [each async for each in api.platform.log.read("slipway.default._.evt.name.*", after=0)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["operation"]["id"] for answer in answers}) == 1
    assert len(claims) == 2
