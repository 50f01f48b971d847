"""A deployment is found by its id and by the name that it has now, in paths and in filters."""

from typing import Any, cast

import httpx
import pytest
from api_world import SOURCE_DIGEST, Api, problem
from eventually import eventually
from slipway_api.installation.registers import NameRegister
from slipway_api.reading.name_holders import NameHolders
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import NameClaimed, RequestRefused
from slipway_contracts.lifecycle import Wanted
from slipway_store.queries import open_reads

DEPLOYMENTS = "/v1/groups/default/deployments"


@pytest.fixture(autouse=True)
async def _digits_called_numbers(api: Api) -> None:
    await api.upload()
    await create(api, "digits", name="numbers")


async def create(api: Api, deployment: str, **settings: Any) -> None:
    body = {"id": deployment, "source": SOURCE_DIGEST, "settings": settings}
    answer = await api.http.post(DEPLOYMENTS, json=body)
    assert answer.status_code == 202, answer.text


async def decided(api: Api, **record: Any) -> None:
    """Do what the deployer does for all commands so far."""
    position = await api.platform.log.end()
    settings = {"settings": DeploymentSettings(name="numbers"), **record}
    await api.platform.tell(
        Desired.model_validate({"group": "default", "deployment": "digits", "position": position, **settings})
    )


async def stop(api: Api, name: str) -> httpx.Response:
    return await api.http.post(f"{DEPLOYMENTS}/{name}/stop")


async def shown(api: Api, name: str) -> httpx.Response:
    async def found() -> httpx.Response:
        answer = await api.http.get(f"{DEPLOYMENTS}/{name}")
        assert answer.status_code == 200, answer.text
        return answer

    return await eventually(found)


async def test_a_command_takes_the_name_and_answers_the_id(api: Api) -> None:
    await decided(api)

    answer = await stop(api, "numbers")

    assert answer.status_code == 202, answer.text
    assert answer.json()["deployment"] == "digits"


async def test_a_name_is_known_before_its_command_is_decided(api: Api) -> None:
    assert (await shown(api, "numbers")).json()["id"] == "digits"


async def test_lists_and_filters_take_the_name(api: Api) -> None:
    await decided(api)
    await shown(api, "digits")

    builds = await api.http.get(f"{DEPLOYMENTS}/numbers/builds")
    operations = await api.http.get("/v1/operations?group=default&deployment=numbers")

    assert {each["deployment"] for each in builds.json()["items"]} == {"digits"}
    assert {each["deployment"] for each in operations.json()["items"]} == {"digits"}


async def test_a_name_that_was_given_up_finds_nothing(api: Api) -> None:
    await decided(api, settings=DeploymentSettings(name="figures"))

    answer = await stop(api, "numbers")

    problem(answer, 404, "DeploymentNotFound")


async def test_the_name_of_a_deleted_deployment_brings_it_back(api: Api) -> None:
    await decided(api)
    await api.http.delete(f"{DEPLOYMENTS}/numbers")
    await decided(api, wanted=Wanted.DELETED, ended=True)

    answer = await api.http.post(f"{DEPLOYMENTS}/numbers/undelete")

    assert answer.status_code == 202, answer.text
    assert answer.json()["deployment"] == "digits"


async def test_an_id_is_never_taken_for_the_former_name_of_another(api: Api) -> None:
    await decided(api, settings=DeploymentSettings(name="figures"))
    await create(api, "numbers")

    answer = await stop(api, "numbers")

    assert answer.json()["deployment"] == "numbers"


async def test_what_is_refused_by_name_is_told_by_id(api: Api) -> None:
    await decided(api)

    refused = await api.http.post(f"{DEPLOYMENTS}/numbers/rollback", json={"to": 7})

    async def told() -> RequestRefused:
        stored = await api.platform.log.last("slipway.default._.evt.request.refused")
        assert stored is not None
        return cast("RequestRefused", stored.message)

    assert refused.is_client_error
    assert (await eventually(told)).deployment == "digits"


async def test_a_name_of_the_past_is_whose_it_was_then_and_else_whose_it_is_now(api: Api) -> None:
    await decided(api)
    moment, sequence = now().isoformat(), await api.platform.log.end()
    await decided(api, settings=DeploymentSettings(name="figures"))
    await create(api, "sums", name="numbers")
    end = await api.platform.log.end()

    async def id_of(name: str, **at: Any) -> Any:
        answer = await api.http.get(f"{DEPLOYMENTS}/{name}", params={"at_least": end, **at})
        return answer.json().get("id", answer.json())

    assert await eventually(lambda: id_of("numbers")) == "sums"
    assert await id_of("numbers", at=sequence) == "digits"
    assert await id_of("numbers", at=moment) == "digits"
    assert await id_of("numbers", at=end) == "sums"
    assert await id_of("sums", at=end) == "sums"


async def test_a_process_that_is_a_moment_behind_asks_the_log(api: Api) -> None:
    await decided(api)
    reads = await open_reads(api.service.settings.database_url.get_secret_value())
    behind = NameRegister()
    holders = NameHolders(log=api.platform.log, register=behind, reads=reads)

    fresh = [await holders.id_of("default", name) for name in ("numbers", "digits", "figures")]
    behind.take(NameClaimed(group="default", name="numbers", deployment="other"), 1)
    await decided(api, deployment="other", settings=DeploymentSettings(name="sums"))
    late = await holders.id_of("default", "numbers")
    await reads.close()

    assert fresh == ["digits", "digits", "figures"]
    assert late == "digits"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "start", None),
        ("POST", "undelete", None),
        ("POST", "rollback", None),
        ("POST", "rollback", {"to": 7}),
        ("PUT", "aliases/staging", {"release": 7}),
        ("DELETE", "aliases/staging", None),
        ("DELETE", "aliases/live", None),
        ("GET", "aliases/staging", None),
        ("GET", "builds/0198b2f4-6bde-79eb-8dec-dce78580f071", None),
        ("GET", "versions/none", None),
        ("GET", "releases/7", None),
    ],
)
async def test_a_refusal_speaks_of_the_deployment_as_the_request_did(
    api: Api, method: str, path: str, body: Any
) -> None:
    await decided(api)
    await shown(api, "numbers")

    for name, other in (("numbers", "digits"), ("digits", "numbers")):
        answer = await api.http.request(method, f"{DEPLOYMENTS}/{name}/{path}", json=body)
        document = answer.json()
        assert answer.is_client_error, answer.text
        assert f"deployments/{other}" not in document["hint"]
        assert f"default/{other}" not in document["detail"]
        if "default/numbers" in document["detail"]:
            assert "default/numbers (id digits)" in document["detail"]


async def test_who_has_a_name_is_told_by_its_name_and_id(api: Api) -> None:
    await decided(api)

    answer = await api.http.post(DEPLOYMENTS, json={"id": "numbers", "source": SOURCE_DIGEST})

    document = problem(answer, 409, "NameTaken")
    assert (document["holder"], document["holder_name"]) == ("digits", "numbers")
    assert "belongs to the deployment numbers (id digits)" in document["detail"]
