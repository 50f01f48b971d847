"""Settings of deployments: at their creation, patched, renamed."""

from typing import Any

from api_stage import Stage
from api_world import Api, problem
from slipway_contracts.commands import Configure, Deploy
from slipway_contracts.deployment_settings import DeploymentSettings

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def created(api: Api, **settings: Any) -> Stage:
    await api.platform.publish_version()
    answer = await api.create(settings=settings)
    assert answer.status_code == 202, answer.text
    return Stage(platform=api.platform)


async def test_a_deployment_begins_with_the_settings_it_was_created_with(api: Api) -> None:
    stage = await created(api, name="numbers", description="Reads digits.", metadata={"team": "vision"})
    command = await api.last_command()
    last = await stage.take()

    shown = (await api.http.get(DEPLOYMENT, params={"at_least": last})).json()

    assert isinstance(command, Deploy)
    assert command.settings == DeploymentSettings(
        name="numbers", description="Reads digits.", metadata={"team": "vision"}
    )
    assert (shown["name"], shown["url"]) == ("numbers", "http://gateway.test:8000/default/numbers")
    assert shown["settings"]["metadata"] == {"team": "vision"}


async def test_a_patch_is_the_full_new_value_and_touches_nothing_else(api: Api) -> None:
    stage = await created(api, name="numbers", description="Reads.", metadata={"a": "1", "b": "2"})
    await stage.take()
    patch = {"description": None, "metadata": {"a": None, "c": "3"}, "stop_deadline_seconds": 60}

    answer = await api.http.patch(DEPLOYMENT, json=patch)

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert isinstance(command, Configure)
    assert command.settings == DeploymentSettings(
        name="numbers", metadata={"b": "2", "c": "3"}, stop_deadline_seconds=60
    )


async def test_patches_that_follow_each_other_closely_add_up(api: Api) -> None:
    await created(api, description="first")

    await api.http.patch(DEPLOYMENT, json={"metadata": {"a": "1"}})
    await api.http.patch(DEPLOYMENT, json={"metadata": {"b": "2"}})

    settings = (await api.last_command()).settings
    assert (settings.description, settings.metadata) == ("first", {"a": "1", "b": "2"})


async def test_a_name_that_another_deployment_has_is_refused(api: Api) -> None:
    await created(api)
    await api.platform.publish_version(deployment="letters")
    await api.create("letters", settings={"name": "abc"})

    taken_id = await api.http.patch(DEPLOYMENT, json={"name": "letters"})
    taken_name = await api.http.patch(DEPLOYMENT, json={"name": "abc"})
    free = await api.http.patch(DEPLOYMENT, json={"name": "numbers"})
    back = await api.http.patch(DEPLOYMENT, json={"name": None})

    problem(taken_id, 409, "NameTaken")
    problem(taken_name, 409, "NameTaken")
    assert (free.status_code, back.status_code) == (202, 202)
    assert (await api.last_command()).settings.name is None


async def test_a_stale_writer_does_not_configure(api: Api) -> None:
    await created(api)
    etag = str((await api.http.patch(DEPLOYMENT, json={"description": "a"})).json()["sequence"])
    await api.http.patch(DEPLOYMENT, json={"description": "b"})

    stale = await api.http.patch(DEPLOYMENT, json={"description": "c"}, headers={"If-Match": f'"{etag}"'})

    problem(stale, 412, "PreconditionFailed")


async def test_configuring_a_stopped_deployment_leaves_it_stopped(api: Api) -> None:
    stage = await created(api)
    await stage.take()
    await api.http.post(f"{DEPLOYMENT}/stop")
    await stage.take()

    patched = await api.http.patch(DEPLOYMENT, json={"description": "rests"})
    again = await api.http.post(f"{DEPLOYMENT}/stop")

    assert patched.status_code == 202
    problem(again, 409, "NotRunning")
