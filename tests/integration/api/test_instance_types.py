"""Instance types: named sizes that a request may name, resolved when it is accepted."""

from typing import Any

from api_world import Api, problem
from slipway_contracts import subjects
from slipway_contracts.commands import Deploy

SMALL = "/v1/instance-types/small"


async def put(api: Api, path: str = SMALL, **size: Any) -> None:
    body = {"size": {"cpu": 0.5, "memory_bytes": 1 << 29, **size}, "node_selector": {"zone": "a"}}
    answer = await api.http.put(path, json=body)
    assert answer.status_code == 200, answer.text


async def test_an_instance_type_is_listed_and_shown(api: Api) -> None:
    await put(api)

    shown, listed = await api.http.get(SMALL), await api.http.get("/v1/instance-types")

    assert shown.json() == {
        "name": "small",
        "description": "",
        "size": {"cpu": 0.5, "memory_bytes": 1 << 29, "gpu": 0},
        "node_selector": {"zone": "a"},
    }
    assert listed.json()["items"] == [shown.json()]


async def test_a_deploy_takes_size_and_selector_of_the_instance_type_it_names(api: Api) -> None:
    await put(api)
    await api.platform.publish_version()

    answer = await api.create(instance_type="small")

    assert answer.status_code == 202, answer.text
    command = await api.platform.log.last(subjects.deployer_commands("default", "digits"))
    assert command is not None
    assert isinstance(command.message, Deploy)
    config = command.message.request.config
    assert (config.instance_type, config.size.cpu, config.node_selector) == ("small", 0.5, {"zone": "a"})


async def test_an_unknown_instance_type_is_refused_with_those_there_are(api: Api) -> None:
    await put(api)
    await api.platform.publish_version()

    answer = await api.create(instance_type="smal")

    document = problem(answer, 404, "InstanceTypeNotFound")
    assert document["instance_types"] == ["small"]


async def test_a_removed_instance_type_cannot_be_named_any_more(api: Api) -> None:
    await put(api)
    await api.platform.publish_version()

    removed = await api.http.delete(SMALL)

    assert removed.status_code == 204
    problem(await api.create(instance_type="small"), 404, "InstanceTypeNotFound")
    problem(await api.http.get(SMALL), 404, "InstanceTypeNotFound")
    problem(await api.http.delete(SMALL), 404, "InstanceTypeNotFound")


async def test_a_removed_instance_type_can_be_made_again(api: Api) -> None:
    await put(api)
    await api.http.delete(SMALL)

    await put(api, cpu=2.0)

    assert (await api.http.get(SMALL)).json()["size"]["cpu"] == 2.0


async def test_only_an_admin_of_the_installation_configures_instance_types(api: Api) -> None:
    await put(api)
    bob = api.client(await api.key_for("bob", default="admin"))

    problem(await bob.put(SMALL, json={"size": {}}), 403, "RoleMissing")
    problem(await bob.delete(SMALL), 403, "RoleMissing")
    assert (await bob.get(SMALL)).status_code == 200
