"""Deployments that are deleted, brought back, purged, and made again."""

from api_stage import Stage
from api_world import Api, problem
from slipway_contracts.commands import Delete, Purge, Undelete
from slipway_contracts.events import VersionRemoved

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def deployed(api: Api) -> Stage:
    await api.platform.publish_version()
    await api.platform.publish_version("20260101.2")
    await api.create()
    stage = Stage(platform=api.platform)
    await stage.take()
    return stage


async def test_a_hidden_deployment_is_shown_deleted_and_comes_back_stopped(api: Api) -> None:
    stage = await deployed(api)
    early = await api.http.post(f"{DEPLOYMENT}/undelete")
    await api.http.delete(DEPLOYMENT)
    hide = await api.last_command()
    last = await stage.take()
    gone = (await api.http.get(DEPLOYMENT, params={"at_least": last})).json()
    listed = (await api.http.get("/v1/deployments")).json()["items"]

    back = await api.http.post(f"{DEPLOYMENT}/undelete")
    command = await api.last_command()
    await stage.take()
    started = await api.http.post(f"{DEPLOYMENT}/start")

    problem(early, 409, "NotDeleted")
    assert isinstance(hide, Delete)
    assert (hide.level, hide.versions) == ("hide", ())
    assert (gone["state"], gone["deleted"], listed) == ("DELETED", "hide", [])
    assert back.status_code == 202, back.text
    assert isinstance(command, Undelete)
    assert started.status_code == 202, started.text
    assert (await api.last_command()).request.version.label == "20260101.1"


async def test_unload_names_the_images_of_every_version(api: Api) -> None:
    await deployed(api)

    answer = await api.http.delete(DEPLOYMENT, params={"level": "unload"})

    command = await api.last_command()
    assert answer.status_code == 202, answer.text
    assert command.level == "unload"
    assert sorted(each.label for each in command.versions) == ["20260101.1", "20260101.2"]
    assert all(each.images for each in command.versions)


async def test_purge_ends_what_runs_or_was_deleted_but_only_once(api: Api) -> None:
    stage = await deployed(api)
    await api.http.delete(DEPLOYMENT)
    await stage.take()

    purged = await api.http.post(f"{DEPLOYMENT}/purge")
    command = await api.last_command()
    last = await stage.take()
    again = await api.http.post(f"{DEPLOYMENT}/purge")
    back = await api.http.post(f"{DEPLOYMENT}/undelete")
    shown = await api.http.get(DEPLOYMENT, params={"at_least": last})

    assert purged.status_code == 202, purged.text
    assert isinstance(command, Purge)
    assert len(command.versions) == 2
    for refused in (again, back, shown):
        problem(refused, 404, "DeploymentNotFound")


async def test_an_id_that_was_purged_may_be_created_anew(api: Api) -> None:
    stage = await deployed(api)
    await api.http.post(f"{DEPLOYMENT}/purge")
    await stage.take()

    await api.platform.publish_version("20260101.3")
    anew = await api.create(version="20260101.3")
    last = await stage.take()
    shown = (await api.http.get(DEPLOYMENT, params={"at_least": last})).json()

    assert anew.status_code == 202, anew.text
    assert (shown["live_release"], shown["version_label"]) == (2, "20260101.3")


async def test_what_could_not_be_removed_is_shown(api: Api) -> None:
    stage = await deployed(api)
    await api.http.delete(DEPLOYMENT, params={"level": "unload"})
    version = (await api.last_command()).versions[0]
    await stage.take()
    left = ("sha256:abc: permission denied",)
    gone = VersionRemoved(**stage.owner, version=version.id, label=version.label, leftovers=left)
    last = await api.platform.tell(gone)

    shown = (await api.http.get(DEPLOYMENT, params={"at_least": last})).json()

    assert shown["leftovers"] == [f"{version.label}: {left[0]}"]
