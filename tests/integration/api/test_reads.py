"""Reads: fresh when asked to be, complete page by page, and honest about what is late or wrong."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from api_world import SOURCE_DIGEST, Api, problem
from eventually import eventually
from slipway_contracts.commands import Build
from slipway_contracts.envelope import new_id, now
from slipway_contracts.events import (
    BuildFailed,
    BuildStarted,
    OperationFailed,
    OperationStarted,
    ReleaseCreated,
    ReleaseFailed,
    ReleaseStarting,
)
from slipway_contracts.failure import FailureRecord, Reason, Stage
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState

DEPLOYMENT = "/v1/groups/default/deployments/digits"
OWNER = {"group": "default", "deployment": "digits"}


def failure(**overrides: Any) -> FailureRecord:
    return FailureRecord(
        stage=Stage.START,
        reason=Reason.REPLICA_EXITED,
        message="The replica exited.",
        hint="Look at its log.",
        at=now(),
        exit_code=3,
        log_tail=("boom",),
        **overrides,
    )


async def deployed(api: Api, **body: Any) -> dict[str, Any]:
    await api.platform.publish_version()
    accepted: dict[str, Any] = (await api.create(**body)).json()
    accepted["ended"] = await api.platform.bring_live(
        accepted["operation"]["id"], ReleaseConfig(replicas=body.get("replicas", 1))
    )
    return accepted


async def test_a_read_at_least_at_a_position_is_never_older(api: Api) -> None:
    accepted = await deployed(api)

    shown = await api.http.get(DEPLOYMENT, params={"at_least": accepted["ended"]})

    assert shown.json()["live_release"] == 1


async def test_a_read_that_would_be_too_old_says_so(api: Api) -> None:
    await deployed(api)
    await api.projector.stop()
    stopped = (await api.http.post(f"{DEPLOYMENT}/stop")).json()

    paths = (DEPLOYMENT, "/v1/deployments", "/v1/operations", f"{DEPLOYMENT}/releases", "/v1/events")
    query = {"at_least": stopped["sequence"]}
    for answer in await asyncio.gather(*(api.http.get(path, params=query) for path in paths)):
        document = problem(answer, 503, "ProjectionBehind")
        assert document["at_least"] == stopped["sequence"]
        assert answer.headers["retry-after"] == "1"


async def test_prefer_wait_answers_the_end_as_soon_as_it_is_there(api: Api) -> None:
    await api.platform.publish_version()
    creating = asyncio.create_task(api.create(headers={"Prefer": "respond-async, wait=20"}))

    async def operation() -> Any:
        stored = await api.platform.log.last("slipway.default.digits.cmd.>")
        return stored and stored.envelope.id

    identifier = await eventually(operation)
    await api.platform.tell(OperationStarted(**OWNER, operation=identifier))
    ended = await api.platform.bring_live(identifier)
    answer = await creating

    assert answer.status_code == 200
    assert answer.headers["preference-applied"] == "wait=20"
    body = answer.json()
    assert (body["operation"]["state"], body["operation"]["release"]) == ("SUCCEEDED", 1)
    assert body["sequence"] == ended
    assert body["operation"]["ended_at"]


async def test_prefer_wait_answers_202_when_the_time_is_up(api: Api) -> None:
    await api.platform.publish_version()

    answer = await api.create(headers={"Prefer": "wait=0"})

    assert answer.status_code == 202
    assert answer.json()["operation"]["state"] == "PENDING"


async def test_who_waits_is_answered_when_the_process_stops(api: Api) -> None:
    await api.platform.publish_version()
    creating = asyncio.create_task(api.create(headers={"Prefer": "wait=60"}))
    await eventually(lambda: api.platform.log.last("slipway.default.digits.cmd.>"))

    api.service.stopping.set()
    answer = await asyncio.wait_for(creating, 30)

    assert answer.status_code == 202
    assert answer.json()["operation"]["state"] == "PENDING"


async def test_the_location_after_a_wait_says_when_the_projection_is_behind(api: Api) -> None:
    await api.platform.publish_version()
    await api.http.get("/v1/operations", params={"at_least": await api.platform.log.end()})
    await api.projector.stop()
    accepted = (await api.create()).json()
    ended = await api.platform.bring_live(accepted["operation"]["id"])
    path = f"/v1/operations/{accepted['operation']['id']}"

    pending = await api.http.get(path, params={"at_least": accepted["sequence"]})
    late = await api.http.get(path, params={"at_least": ended})
    stranger = await api.http.get(f"/v1/operations/{new_id()}", params={"at_least": ended})

    assert pending.json()["state"] == "PENDING"
    problem(late, 503, "ProjectionBehind")
    problem(stranger, 503, "ProjectionBehind")


async def test_prefer_wait_tells_the_failure(api: Api) -> None:
    await api.upload()
    path = f"{DEPLOYMENT}/builds"
    building = asyncio.create_task(
        api.http.post(path, json={"source": SOURCE_DIGEST}, headers={"Prefer": "wait=20"})
    )

    async def build() -> Any:
        stored = await api.platform.log.last("slipway.default.digits.cmd.builder.build")
        return stored and stored.envelope.id

    identifier = await eventually(build)
    record = failure()
    await api.platform.tell(OperationFailed(**OWNER, operation=new_id(), failure=record))
    await api.platform.tell(OperationFailed(**OWNER, operation=identifier, failure=record))
    answer = await building

    assert answer.status_code == 200
    assert answer.json()["operation"]["state"] == "FAILED"
    assert answer.json()["operation"]["failure"]["log_tail"] == ["boom"]


async def test_a_deployment_shows_where_it_is_called_and_what_its_replicas_do(api: Api) -> None:
    accepted = await deployed(api, replicas=2)
    assert api.platform.desired is not None
    workload = api.platform.desired.workloads[0].workload
    fact = {
        **OWNER,
        "workload": workload.id,
        "endpoint": "predict",
        "target": "local",
        "transition": 1,
        "epoch": 1,
        "at": now(),
    }
    await api.platform.tell(ReplicaFact(**fact, replica="0-1", state=ReplicaState.READY, address="h:1"))
    last = await api.platform.tell(
        ReplicaFact(**fact, replica="1-1", state=ReplicaState.EXITED, exit_code=3, log_tail=("boom",))
    )

    answer = await api.http.get(DEPLOYMENT, params={"at_least": last})

    shown = answer.json()
    assert (shown["state"], shown["ready"], shown["replicas"]) == ("DEGRADED", 1, 2)
    assert shown["url"] == "http://gateway.test:8000/default/digits"
    assert shown["endpoints"][0]["url"] == "http://gateway.test:8000/default/digits/predict"
    assert (shown["live"]["number"], shown["live"]["state"]) == (1, "LIVE")
    assert shown["next"] is None
    assert {each["replica"]: (each["state"], each["exit_code"]) for each in shown["replica_list"]} == {
        "0-1": ("ready", None),
        "1-1": ("exited", 3),
    }
    assert {each["type"]: each["status"] for each in shown["conditions"]} == {
        "QuotaAdmitted": True,
        "BuildReady": True,
        "ReplicasReady": False,
        "TrafficRouted": True,
    }
    assert answer.headers["etag"] == f'"{accepted["sequence"]}"'


async def test_a_failed_release_explains_itself_though_an_older_one_serves(api: Api) -> None:
    await deployed(api)
    accepted = (await api.http.post(f"{DEPLOYMENT}/redeploy", json={})).json()
    operation = accepted["operation"]["id"]
    await api.platform.tell(
        ReleaseCreated(
            **OWNER,
            release=2,
            operation=operation,
            cause="redeploy",
            version=(await api.platform.publish_version("20260101.2")),
            config=ReleaseConfig(),
            by="ada",
        )
    )
    last = await api.platform.tell(ReleaseFailed(**OWNER, release=2, failure=failure()))

    shown = (await api.http.get(DEPLOYMENT, params={"at_least": last})).json()
    release = (await api.http.get(f"{DEPLOYMENT}/releases/2")).json()

    assert shown["live"]["number"] == 1
    assert (shown["failure"]["reason"], shown["failure"]["exit_code"]) == ("ReplicaExited", 3)
    assert release["failure"]["log_tail"] == ["boom"]
    assert release["state"] == "FAILED"


async def test_what_lasts_too_long_is_overdue_and_names_who_owes_it(api: Api) -> None:
    await api.upload()
    past = now() - timedelta(minutes=1)
    build = Build(**OWNER, by="ada", request_digest="x", source=SOURCE_DIGEST, deadline_at=past)
    identifier = new_id()
    await api.platform.tell(build, id=identifier)
    accepted = (await api.create(version=None, source=SOURCE_DIGEST)).json()
    operation = accepted["operation"]["id"]
    version = await api.platform.publish_version()
    await api.platform.tell(
        ReleaseCreated(
            **OWNER,
            release=1,
            operation=operation,
            cause="deploy",
            version=version,
            config=ReleaseConfig(),
            by="ada",
        )
    )
    last = await api.platform.tell(
        ReleaseStarting(**OWNER, release=1, version=version, workloads={}, deadline_at=past)
    )

    building = (await api.http.get(f"/v1/operations/{identifier}", params={"at_least": last})).json()
    deploying = (await api.http.get(f"/v1/operations/{operation}")).json()
    shown = (await api.http.get(DEPLOYMENT)).json()

    assert building["overdue"]["owed_by"] == "builder"
    assert deploying["overdue"]["owed_by"] == "deployer"
    assert shown["overdue"] is not None


async def test_a_build_shows_its_end(api: Api) -> None:
    await api.upload()
    accepted = (await api.http.post(f"{DEPLOYMENT}/builds", json={"source": SOURCE_DIGEST})).json()
    build = accepted["build"]
    await api.platform.tell(
        BuildStarted(**OWNER, build=build, source=SOURCE_DIGEST, by="ada", deadline_at=now())
    )
    last = await api.platform.tell(BuildFailed(**OWNER, build=build, failure=failure()))

    shown = (await api.http.get(f"{DEPLOYMENT}/builds/{build}", params={"at_least": last})).json()
    other = await api.http.get(f"/v1/groups/default/deployments/other/builds/{build}")
    listed = (await api.http.get(f"{DEPLOYMENT}/builds", params={"state": "FAILED"})).json()

    assert (shown["state"], shown["failure"]["reason"]) == ("FAILED", "ReplicaExited")
    problem(other, 404, "BuildNotFound")
    assert [item["id"] for item in listed["items"]] == [build]


@pytest.mark.parametrize(
    ("path", "key"),
    [("/v1/deployments", "id"), ("/v1/groups/default/deployments", "id"), ("/v1/operations", "deployment")],
)
async def test_pages_tell_every_item_once(api: Api, path: str, key: str) -> None:
    await api.upload()
    names = [f"d{number}" for number in range(5)]
    answers = [await api.create(name, version=None, source=SOURCE_DIGEST) for name in names]
    last = answers[-1].json()["sequence"]
    found: list[str] = []
    query: dict[str, Any] = {"page_size": 2, "at_least": last}

    while True:
        page = (await api.http.get(path, params=query)).json()
        assert len(page["items"]) <= 2
        found += [item[key] for item in page["items"]]
        if page["next_page_token"] is None:
            break
        query["page_token"] = page["next_page_token"]

    assert sorted(set(found)) == names
    assert len(found) == (10 if "operations" in path else 5)


async def test_deleted_deployments_leave_the_lists_and_keep_their_history(api: Api) -> None:
    await deployed(api)
    deleted = (await api.http.delete(DEPLOYMENT)).json()
    assert api.platform.desired is not None
    ended = api.platform.desired.model_copy(
        update={"position": deleted["sequence"], "ended": True, "wanted": Wanted.DELETED, "traffic": ()}
    )
    last = await api.platform.tell(ended)

    shown = await api.http.get(DEPLOYMENT, params={"at_least": last})
    listed = (await api.http.get("/v1/deployments")).json()
    asked = (await api.http.get("/v1/deployments", params={"state": "DELETED"})).json()
    releases = (await api.http.get(f"{DEPLOYMENT}/releases")).json()

    assert (shown.json()["state"], shown.json()["deleted"]) == ("DELETED", "hide")
    assert listed["items"] == []
    assert [item["id"] for item in asked["items"]] == ["digits"]
    assert [item["number"] for item in releases["items"]] == [1]
