"""Where the time of an operation went, asked of the api."""

from api_stage import Stage
from api_world import Api, problem
from slipway_contracts.envelope import new_id

DEPLOYMENT = "/v1/groups/default/deployments/digits"
TIMELINE = f"{DEPLOYMENT}/timeline"


async def test_the_timeline_is_of_the_last_operation_unless_another_is_named(api: Api) -> None:
    stage = Stage(platform=api.platform)
    await api.platform.publish_version()
    first = (await api.create()).json()["operation"]
    await stage.take()
    second = (await api.http.post(f"{DEPLOYMENT}/stop")).json()["operation"]
    last = await stage.take()

    of_last = (await api.http.get(TIMELINE, params={"at_least": last})).json()
    of_first = (await api.http.get(TIMELINE, params={"operation": first["id"]})).json()

    assert (of_last["operation"], of_last["kind"]) == (second["id"], "stop")
    assert (of_first["operation"], of_first["kind"], of_first["release"]) == (first["id"], "deploy", 1)
    assert (of_first["state"], of_first["waits_for"]) == ("SUCCEEDED", None)
    (accepted,) = of_first["stages"]
    assert (accepted["name"], accepted["state"]) == ("accepted", "DONE")
    assert accepted["seconds"] == of_first["seconds"] > 0


async def test_an_operation_that_nobody_took_waits_for_the_deployer(api: Api) -> None:
    await api.platform.publish_version()
    accepted = (await api.create()).json()

    found = (await api.http.get(TIMELINE, params={"at_least": accepted["sequence"]})).json()

    assert (found["waits_for"], found["owed_by"]) == ("the deployer to take the command", "deployer")
    assert [(each["name"], each["state"]) for each in found["stages"]] == [("accepted", "RUNNING")]


async def test_what_is_not_there_has_no_timeline(api: Api) -> None:
    await api.platform.publish_version()
    accepted = (await api.create()).json()
    params = {"at_least": accepted["sequence"], "operation": accepted["operation"]["id"]}

    nothing = await api.http.get(TIMELINE.replace("digits", "other"))
    unknown = await api.http.get(TIMELINE, params={"operation": new_id()})
    elsewhere = await api.http.get(TIMELINE.replace("digits", "other"), params=params)

    problem(nothing, 404, "DeploymentNotFound")
    problem(unknown, 404, "OperationNotFound")
    problem(elsewhere, 404, "OperationNotFound")
