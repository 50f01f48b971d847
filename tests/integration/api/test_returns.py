"""What ran before runs again: rollback, and the start of a stopped deployment."""

from typing import Any

import httpx
import pytest
from api_stage import Stage
from api_world import Api, problem
from slipway_contracts.commands import Redeploy, Start
from slipway_contracts.events import VersionRemoved
from slipway_contracts.traffic import TrafficShare

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def deploy(api: Api, stage: Stage, label: str, **body: Any) -> None:
    await api.platform.publish_version(label)
    answer = await api.http.post(f"{DEPLOYMENT}/deploy", json={"version": label, **body})
    assert answer.status_code == 202, answer.text
    await stage.take()


async def two_releases(api: Api) -> Stage:
    """Release 1 of version .1 served `live`, release 2 of version .2 serves it now."""
    await api.platform.publish_version()
    await api.create(replicas=2, environment={"LANG": "C"}, metadata={"git": "1f"})
    stage = Stage(platform=api.platform)
    await stage.take()
    await deploy(api, stage, "20260101.2")
    return stage


async def rollback(api: Api, **body: Any) -> httpx.Response:
    return await api.http.post(f"{DEPLOYMENT}/rollback", json=body)


async def test_rollback_makes_an_exact_copy_of_what_served_before(api: Api) -> None:
    await two_releases(api)

    answer = await rollback(api)

    command = await api.last_command()
    config = command.request.config
    assert answer.status_code == 202, answer.text
    assert isinstance(command, Redeploy)
    assert command.request.version is not None
    assert (command.cause, command.request.copy_of) == ("rollback", 1)
    assert command.request.version.label == "20260101.1"
    assert (config.replicas, config.environment, config.metadata) == (2, {"LANG": "C"}, {"git": "1f"})
    assert config.description == "rollback to 1"
    assert (command.request.weight, command.request.beside) == (100, ())


async def test_a_second_rollback_goes_back_to_what_the_first_left(api: Api) -> None:
    stage = await two_releases(api)
    await rollback(api)
    await stage.take()

    answer = await rollback(api, description="the other way")

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert (command.request.copy_of, command.request.config.description) == (2, "the other way")


async def weigh(api: Api, stage: Stage, alias: str, *parts: tuple[int, int]) -> None:
    shares = [{"release": number, "weight": weight} for number, weight in parts]
    answer = await api.http.put(f"{DEPLOYMENT}/aliases/{alias}", json={"shares": shares})
    assert answer.status_code == 202, answer.text
    await stage.take()


async def test_rollback_restores_the_weights_of_its_alias_and_of_no_other(api: Api) -> None:
    stage = await two_releases(api)
    await weigh(api, stage, "staging", (1, 80), (2, 20))
    await weigh(api, stage, "live", (1, 80), (2, 20))
    await deploy(api, stage, "20260101.3")
    await deploy(api, stage, "20260101.4", alias="staging")

    answer = await rollback(api)

    request = (await api.last_command()).request
    assert answer.status_code == 202, answer.text
    assert (request.alias, request.copy_of, request.weight) == ("live", 1, 80)
    assert request.beside == (TrafficShare(release=2, weight=20),)
    assert [each.number for each in request.restored] == [2]
    assert [each.version.label for each in request.restored] == ["20260101.2"]


@pytest.mark.parametrize("stopped", [False, True])
async def test_rollback_to_a_release_that_last_served_beside_another_lets_it_serve_alone(
    api: Api, *, stopped: bool
) -> None:
    stage = await two_releases(api)
    await weigh(api, stage, "live", (1, 90), (2, 10))
    await weigh(api, stage, "live", (2, 100))
    if stopped:
        await api.http.post(f"{DEPLOYMENT}/stop")
        await stage.take()

    answer = await rollback(api, to=1)

    request = (await api.last_command()).request
    assert answer.status_code == 202, answer.text
    assert (request.alias, request.copy_of, request.weight) == ("live", 1, 100)
    assert (request.beside, request.restored) == ((), ())


@pytest.mark.parametrize("to", [1, 2])
async def test_rollback_to_a_part_of_a_canary_that_was_stopped_ends_the_canary(api: Api, to: int) -> None:
    stage = await two_releases(api)
    await weigh(api, stage, "live", (1, 90), (2, 10))
    await weigh(api, stage, "staging", (1, 50), (2, 50))
    await api.http.post(f"{DEPLOYMENT}/stop")
    await stage.take()

    answer = await rollback(api, to=to)

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert (command.request.copy_of, command.request.weight, command.request.beside) == (to, 100, ())
    assert [(each.alias, [one.weight for one in each.shares]) for each in command.aliases] == [
        ("staging", [50, 50])
    ]


async def test_a_deployment_that_was_stopped_in_a_canary_starts_with_its_parts(api: Api) -> None:
    stage = await two_releases(api)
    await weigh(api, stage, "live", (1, 90), (2, 10))
    await api.http.post(f"{DEPLOYMENT}/stop")
    await stage.take()

    answer = await api.http.post(f"{DEPLOYMENT}/start")

    request = (await api.last_command()).request
    assert answer.status_code == 202, answer.text
    assert (request.version.label, request.weight) == ("20260101.1", 90)
    assert request.beside == (TrafficShare(release=2, weight=10),)


async def test_rollback_in_the_middle_of_a_canary_takes_the_canary_away(api: Api) -> None:
    stage = await two_releases(api)
    await deploy(api, stage, "20260101.3", weight=10)

    answer = await rollback(api)

    request = (await api.last_command()).request
    assert answer.status_code == 202, answer.text
    assert (request.copy_of, request.version.label) == (2, "20260101.2")
    assert (request.weight, request.beside) == (100, ())


async def test_rollback_to_a_release_that_never_served_the_alias_gives_it_all(api: Api) -> None:
    stage = await two_releases(api)
    await deploy(api, stage, "20260101.3", alias="staging")

    answer = await rollback(api, to=3)

    request = (await api.last_command()).request
    assert answer.status_code == 202, answer.text
    assert (request.alias, request.weight, request.beside) == ("live", 100, ())


async def test_rollback_without_anything_before_is_refused(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()
    await Stage(platform=api.platform).take()

    nowhere = await rollback(api)
    unknown = await rollback(api, to=7)

    assert problem(nowhere, 409, "NoEarlierRelease")["alias"] == "live"
    assert problem(unknown, 404, "ReleaseNotFound")["release"] == 7


async def test_a_release_whose_images_were_removed_says_how_to_rebuild_it(api: Api) -> None:
    stage = await two_releases(api)
    version = await api.platform.publish_version("20260101.1")
    await api.platform.tell(VersionRemoved(**stage.owner, version=version.id, label=version.label))

    refused = await rollback(api, to=1)
    deployed = await api.http.post(f"{DEPLOYMENT}/deploy", json={"version": "20260101.1"})
    shown = (await api.http.get(f"{DEPLOYMENT}/releases/1")).json()

    assert "deploy" in problem(refused, 409, "ReleaseNotRestorable")["hint"]
    problem(deployed, 409, "VersionRemoved")
    assert shown["restorable"] is False
    assert shown["how_to_restore"] == refused.json()["hint"]


async def test_a_stopped_deployment_starts_with_every_alias_as_it_was(api: Api) -> None:
    stage = await two_releases(api)
    shares = [{"release": 1, "weight": 60}, {"release": 2, "weight": 40}]
    await api.http.put(f"{DEPLOYMENT}/aliases/staging", json={"shares": shares})
    await stage.take()
    await api.http.post(f"{DEPLOYMENT}/stop")
    await stage.take()

    answer = await api.http.post(f"{DEPLOYMENT}/start")

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert isinstance(command, Start)
    assert command.request.version is not None
    assert (command.request.alias, command.request.version.label) == ("live", "20260101.2")
    assert [(route.alias, route.shares[0].weight) for route in command.aliases] == [("staging", 60)]
    assert [each.number for each in command.restored] == [1, 2]


@pytest.mark.parametrize(
    ("verb", "body"),
    [("redeploy", {"replicas": 2}), ("rollback", {}), ("deploy", {"version": "20260101.1"})],
)
async def test_whatever_lets_a_stopped_deployment_run_brings_its_other_aliases_back(
    api: Api, verb: str, body: dict[str, object]
) -> None:
    stage = await two_releases(api)
    await api.http.put(f"{DEPLOYMENT}/aliases/staging", json={"release": 1})
    await stage.take()
    await api.http.post(f"{DEPLOYMENT}/stop")
    await stage.take()

    answer = await api.http.post(f"{DEPLOYMENT}/{verb}", json=body)

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert [route.alias for route in command.aliases] == ["staging"]
    assert 1 in [each.number for each in command.restored]


async def test_a_start_brings_pinned_releases_along(api: Api) -> None:
    stage = await two_releases(api)
    await api.http.put(f"{DEPLOYMENT}/releases/1/pin")
    await stage.take()
    await api.http.post(f"{DEPLOYMENT}/stop")
    await stage.take()

    answer = await api.http.post(f"{DEPLOYMENT}/start")

    assert answer.status_code == 202, answer.text
    assert [each.number for each in (await api.last_command()).restored] == [1]


async def test_a_start_right_after_the_stop_knows_the_aliases_too(api: Api) -> None:
    stage = await two_releases(api)
    await api.http.put(f"{DEPLOYMENT}/aliases/staging", json={"release": 1})
    await stage.take()
    await api.http.post(f"{DEPLOYMENT}/stop")

    answer = await api.http.post(f"{DEPLOYMENT}/start")

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert [route.alias for route in command.aliases] == ["staging"]
    assert [each.number for each in command.restored] == [1]


async def test_rollback_never_reaches_into_a_deployment_that_had_the_id_before(api: Api) -> None:
    stage = await two_releases(api)
    await api.http.delete(DEPLOYMENT)
    await stage.take()
    await api.create()
    await stage.take()

    answer = await rollback(api)

    problem(answer, 409, "NoEarlierRelease")
