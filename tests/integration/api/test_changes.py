"""Changes of what runs: redeploy, update, restart, scale, and what they leave alone."""

from typing import Any

import pytest
from api_stage import Stage
from api_world import Api, problem
from slipway_contracts.commands import Deploy, Redeploy
from slipway_contracts.release import Strategy
from slipway_contracts.size import Size
from slipway_contracts.traffic import TrafficShare

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def deployed(api: Api, **body: Any) -> Stage:
    """Bring release 1 of version 20260101.1 live."""
    await api.platform.publish_version()
    created = await api.create(**body)
    assert created.status_code == 202, created.text
    stage = Stage(platform=api.platform)
    await stage.take()
    return stage


async def post(api: Api, verb: str, **body: Any) -> Redeploy:
    answer = await api.http.post(f"{DEPLOYMENT}/{verb}", json=body)
    assert answer.status_code == 202, answer.text
    command = await api.last_command()
    assert isinstance(command, Redeploy)
    return command


async def test_restart_changes_the_restart_counter_and_nothing_else(api: Api) -> None:
    await deployed(api, replicas=2, environment={"LANG": "C"}, description="first")
    before = (await api.last_command()).request.config

    command = await post(api, "restart")

    assert command.cause == "restart"
    assert command.request.config == before.model_copy(update={"restart": 1, "description": ""})


async def test_scale_changes_the_number_of_replicas_and_nothing_else(api: Api) -> None:
    await deployed(api, environment={"LANG": "C"}, description="first")
    before = (await api.last_command()).request.config

    command = await post(api, "scale", replicas=4)

    assert command.cause == "scale"
    assert command.request.config == before.model_copy(update={"replicas": 4, "description": ""})


async def test_update_merges_and_null_removes(api: Api) -> None:
    await deployed(
        api, replicas=2, size={"cpu": 2}, environment={"A": "1", "B": "2"}, metadata={"git": "1f", "x": "y"}
    )

    command = await post(
        api, "update", environment={"A": None, "C": "3"}, metadata={"x": None}, size=None, description="why"
    )

    config = command.request.config
    assert command.cause == "update"
    assert config.environment == {"B": "2", "C": "3"}
    assert config.metadata == {"git": "1f"}
    assert config.size == Size()
    assert (config.replicas, config.description) == (2, "why")


async def test_update_merges_the_size_member_by_member(api: Api) -> None:
    await deployed(api, size={"cpu": 2, "memory_bytes": 1 << 28})

    command = await post(api, "update", size={"memory_bytes": 1 << 29})

    assert command.request.config.size == Size(cpu=2, memory_bytes=1 << 29)


async def test_an_update_that_grows_too_large_is_refused(api: Api) -> None:
    await deployed(api, environment={"A": "x" * 20_000})

    answer = await api.http.post(f"{DEPLOYMENT}/update", json={"environment": {"B": "x" * 20_000}})

    assert problem(answer, 422, "InvalidRequest")["errors"][0]["pointer"] == "#/environment"


async def test_redeploy_replaces_the_fields_that_it_gives(api: Api) -> None:
    await deployed(api, environment={"A": "1"}, metadata={"git": "1f"})

    command = await post(api, "redeploy", environment={"B": "2"}, strategy="in-place", deadline_seconds=9)

    config = command.request.config
    assert config.environment == {"B": "2"}
    assert (config.strategy, config.deadline_seconds) == (Strategy.IN_PLACE, 9)
    assert config.metadata == {"git": "1f"}


async def test_a_change_begins_from_what_serves_and_not_from_what_is_on_its_way(api: Api) -> None:
    await deployed(api, replicas=2)
    await post(api, "redeploy", environment={"NEW": "1"})

    command = await post(api, "scale", replicas=3)

    assert command.request.config.environment == {}


async def test_a_release_may_get_a_part_of_the_requests(api: Api) -> None:
    stage = await deployed(api)
    await api.platform.publish_version("20260101.2")

    body = {"version": "20260101.2", "weight": 10}
    answer = await api.http.post(f"{DEPLOYMENT}/deploy", json=body)

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert isinstance(command, Deploy)
    assert (command.request.weight, command.request.beside) == (10, (TrafficShare(release=1, weight=90),))
    assert command.request.restored == ()
    await stage.take()


async def test_a_change_of_a_release_with_a_part_keeps_the_parts(api: Api) -> None:
    stage = await deployed(api)
    await api.http.post(f"{DEPLOYMENT}/deploy", json={"version": "20260101.1", "weight": 10})
    await stage.take()

    command = await post(api, "scale", replicas=2)

    assert (command.request.weight, command.request.beside) == (90, (TrafficShare(release=2, weight=10),))


async def test_a_part_beside_nothing_is_refused(api: Api) -> None:
    await deployed(api)

    body = {"version": "20260101.1", "alias": "staging", "weight": 10}
    answer = await api.http.post(f"{DEPLOYMENT}/deploy", json=body)

    assert problem(answer, 422, "InvalidRequest")["errors"][0]["pointer"] == "#/weight"


async def test_another_alias_gets_its_own_release_like_the_live_one(api: Api) -> None:
    await deployed(api, replicas=2)

    command = await post(api, "redeploy", alias="staging", environment={"STAGE": "1"})

    assert command.request.alias == "staging"
    assert (command.request.weight, command.request.beside) == (100, ())
    assert command.request.config.replicas == 2


async def test_an_instance_type_gives_size_and_selector(api: Api) -> None:
    await deployed(api, size={"cpu": 2})
    small = {"size": {"cpu": 0.5, "memory_bytes": 1 << 28}, "node_selector": {"disk": "ssd"}}
    made = await api.http.put("/v1/instance-types/small", json=small)
    assert made.status_code in {200, 201}, made.text

    typed = await post(api, "update", instance_type="small")
    unknown = await api.http.post(f"{DEPLOYMENT}/update", json={"instance_type": "huge"})
    both = await api.http.post(f"{DEPLOYMENT}/update", json={"instance_type": "small", "size": {"cpu": 1}})

    config = typed.request.config
    assert (config.instance_type, config.size) == ("small", Size(cpu=0.5, memory_bytes=1 << 28))
    assert config.node_selector == {"disk": "ssd"}
    problem(unknown, 404, "InstanceTypeNotFound")
    problem(both, 422, "InvalidRequest")


async def test_a_secret_that_the_group_does_not_have_is_refused(api: Api) -> None:
    await deployed(api)

    answer = await api.http.post(f"{DEPLOYMENT}/update", json={"environment": {"DB": {"secret": "db"}}})

    problem(answer, 404, "SecretNotFound")


@pytest.mark.parametrize(
    ("environment", "pointer"),
    [
        ({"A": {"secret": "UPPER"}}, "#/environment/A/secret"),
        ({"A": {"secret": "db", "version": 0}}, "#/environment/A/version"),
        ({"A": 1}, "#/environment/A"),
    ],
)
async def test_a_broken_value_is_pointed_at(api: Api, environment: dict[str, Any], pointer: str) -> None:
    answer = await api.create(environment=environment)

    assert problem(answer, 422, "InvalidRequest")["errors"][0]["pointer"] == pointer
