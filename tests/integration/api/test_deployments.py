"""Mutations of deployments: what enters the log, and what is refused."""

import asyncio
from typing import Any

import pytest
from api_world import SOURCE_DIGEST, Api, problem
from slipway_contracts.commands import Build, Deploy, Redeploy, Start
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.size import Size

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def test_create_is_accepted_with_the_complete_configuration(api: Api) -> None:
    version = await api.platform.publish_version()

    answer = await api.create(replicas=3, environment={"LANG": "C"}, metadata={"git": "1f"})

    command = await api.last_command()
    assert answer.status_code == 202
    assert isinstance(command, Deploy)
    assert command.by == "admin"
    assert command.request.version == version
    assert command.request.config == ReleaseConfig(
        replicas=3, environment={"LANG": "C"}, metadata={"git": "1f"}
    )


async def test_the_location_finds_the_operation_before_the_projection_knows_it(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()
    await api.projector.stop()
    accepted = await api.http.post(f"{DEPLOYMENT}/stop")

    answer = await api.http.get(accepted.headers["location"])

    assert accepted.status_code == 202
    assert answer.status_code == 200
    assert answer.json()["state"] == "PENDING"
    assert answer.json()["id"] == accepted.json()["operation"]["id"]


async def test_of_fifty_racing_creates_exactly_one_is_accepted(api: Api) -> None:
    await api.platform.publish_version()

    answers = await asyncio.gather(*(api.create() for _ in range(50)))

    refused = [answer for answer in answers if answer.status_code != 202]
    assert len(refused) == 49
    for answer in refused:
        problem(answer, 409, "DeploymentExists")
    assert await api.commands() == ["command.deploy.v1"]


async def test_a_deleted_deployment_may_be_created_anew(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()
    await api.http.delete(DEPLOYMENT)

    gone = await api.http.post(f"{DEPLOYMENT}/stop")
    anew = await api.create()

    assert problem(gone, 404, "DeploymentNotFound")["deleted"] is True
    assert anew.status_code == 202
    assert len(await api.commands()) == 3


async def test_a_deploy_of_a_source_brings_its_build_in_the_same_batch(api: Api) -> None:
    await api.upload()

    answer = await api.create(version=None, source=SOURCE_DIGEST, label="v1")

    accepted = answer.json()
    build, deploy = [
        stored async for stored in api.platform.log.read("slipway.default.digits.cmd.>", after=0)
    ]
    assert answer.status_code == 202, answer.text
    assert isinstance(build.message, Build)
    assert (build.message.source, build.message.label) == (SOURCE_DIGEST, "v1")
    assert isinstance(deploy.message, Deploy)
    assert deploy.message.request.build == build.envelope.id == accepted["build"]
    assert deploy.sequence == build.sequence + 1 == accepted["sequence"]
    assert build.envelope.correlation_id == deploy.envelope.id == accepted["operation"]["id"]


async def test_a_source_that_nobody_uploaded_is_refused(api: Api) -> None:
    answer = await api.create(version=None, source=SOURCE_DIGEST)

    assert problem(answer, 422, "SourceMissing")["source"] == SOURCE_DIGEST
    assert await api.commands() == []


async def test_what_does_not_exist_is_not_found(api: Api) -> None:
    await api.platform.publish_version()
    body = {"version": "20260101.1"}

    for verb, sent in [("deploy", body), ("redeploy", {}), ("stop", None), ("start", None), ("cancel", None)]:
        answer = await api.http.post(f"{DEPLOYMENT}/{verb}", json=sent)
        assert problem(answer, 404, "DeploymentNotFound")["deleted"] is False
    problem(await api.http.delete(DEPLOYMENT), 404, "DeploymentNotFound")
    problem(await api.http.get(DEPLOYMENT), 404, "DeploymentNotFound")
    unknown = await api.create(version="20260101.9")
    assert problem(unknown, 404, "VersionNotFound")["version"] == "20260101.9"
    problem(await api.http.get(f"{DEPLOYMENT}/releases/1"), 404, "ReleaseNotFound")
    problem(await api.http.get(f"{DEPLOYMENT}/versions/nope"), 404, "VersionNotFound")
    identifier = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    problem(await api.http.get(f"{DEPLOYMENT}/builds/{identifier}"), 404, "BuildNotFound")
    problem(await api.http.post(f"{DEPLOYMENT}/builds/{identifier}/cancel"), 404, "BuildNotFound")
    problem(await api.http.get(f"/v1/operations/{identifier}"), 404, "OperationNotFound")
    problem(await api.http.get("/v1/groups/nobody/deployments"), 404, "GroupNotFound")


async def test_a_version_may_be_named_by_its_id_right_after_it_was_made(api: Api) -> None:
    version = await api.platform.publish_version()

    answer = await api.create(version=version.id)

    assert answer.status_code == 202
    assert (await api.last_command()).request.version == version


async def test_redeploy_changes_only_what_it_says(api: Api) -> None:
    await api.platform.publish_version()
    first = await api.create(replicas=2, environment={"LANG": "C"}, description="first")
    config = (await api.last_command()).request.config
    await api.platform.bring_live(first.json()["operation"]["id"], config)

    answer = await api.http.post(f"{DEPLOYMENT}/redeploy", json={"size": {"cpu": 2}})

    command = await api.last_command()
    assert answer.status_code == 202
    assert isinstance(command, Redeploy)
    assert command.request.version is not None
    assert command.request.version.label == "20260101.1"
    assert command.request.config == config.model_copy(update={"size": Size(cpu=2), "description": ""})


async def test_redeploy_right_after_create_builds_on_what_create_asked_for(api: Api) -> None:
    await api.upload()
    created = await api.create(version=None, source=SOURCE_DIGEST, environment={"LANG": "C"})

    answer = await api.http.post(f"{DEPLOYMENT}/redeploy", json={"replicas": 2})

    command = await api.last_command()
    assert answer.status_code == 202
    assert command.request.build == created.json()["build"]
    assert command.request.config == ReleaseConfig(replicas=2, environment={"LANG": "C"})


async def test_redeploy_of_a_recreated_deployment_does_not_revive_the_deleted_one(api: Api) -> None:
    await api.platform.publish_version()
    first = await api.create(replicas=7)
    await api.platform.bring_live(first.json()["operation"]["id"], ReleaseConfig(replicas=7))
    await api.http.delete(DEPLOYMENT)
    await api.create(environment={"NEW": "1"})

    answer = await api.http.post(f"{DEPLOYMENT}/redeploy", json={})

    assert answer.status_code == 202
    assert (await api.last_command()).request.config == ReleaseConfig(environment={"NEW": "1"})


async def test_redeploy_may_take_another_version(api: Api) -> None:
    await api.platform.publish_version()
    other = await api.platform.publish_version("20260101.2")
    await api.create(replicas=2)

    answer = await api.http.post(f"{DEPLOYMENT}/redeploy", json={"version": other.label})

    command = await api.last_command()
    assert answer.status_code == 202
    assert command.request.version == other
    assert command.request.config.replicas == 2


async def test_a_stopped_deployment_is_started_as_it_was(api: Api) -> None:
    await api.platform.publish_version()
    created = await api.create(replicas=2)
    config = (await api.last_command()).request.config
    await api.platform.bring_live(created.json()["operation"]["id"], config)
    stopped = await api.http.post(f"{DEPLOYMENT}/stop")

    again = await api.http.post(f"{DEPLOYMENT}/stop")
    canceled = await api.http.post(f"{DEPLOYMENT}/cancel")
    started = await api.http.post(f"{DEPLOYMENT}/start")
    twice = await api.http.post(f"{DEPLOYMENT}/start")

    command = await api.last_command()
    assert stopped.status_code == 202
    problem(again, 409, "NotRunning")
    problem(canceled, 409, "NotRunning")
    assert started.status_code == 202
    assert isinstance(command, Start)
    assert command.request.config == config
    problem(twice, 409, "AlreadyRunning")


async def test_a_cancel_does_not_hide_what_was_asked_before(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()
    canceled = await api.http.post(f"{DEPLOYMENT}/cancel")

    stopped = await api.http.post(f"{DEPLOYMENT}/stop")

    assert canceled.status_code == 202
    assert stopped.status_code == 202


async def test_if_match_lets_a_command_pass_only_on_what_was_seen(api: Api) -> None:
    await api.platform.publish_version()
    created = await api.create()
    at_least = created.json()["sequence"]
    seen = await api.http.get(DEPLOYMENT, params={"at_least": at_least})

    passed = await api.http.post(f"{DEPLOYMENT}/stop", headers={"If-Match": seen.headers["etag"]})
    refused = await api.http.delete(DEPLOYMENT, headers={"If-Match": seen.headers["etag"]})

    assert seen.headers["etag"] == f'"{at_least}"'
    assert passed.status_code == 202
    document = problem(refused, 412, "PreconditionFailed")
    assert (document["if_match"], document["etag"]) == (at_least, passed.json()["sequence"])


async def test_if_match_holds_for_builds_too(api: Api) -> None:
    await api.upload()
    etag = (await api.create(version=None, source=SOURCE_DIGEST)).json()["sequence"]
    body = {"source": SOURCE_DIGEST}

    refused = await api.http.post(f"{DEPLOYMENT}/builds", json=body, headers={"If-Match": f'"{etag + 1}"'})
    passed = await api.http.post(f"{DEPLOYMENT}/builds", json=body, headers={"If-Match": f'"{etag}"'})

    assert problem(refused, 412, "PreconditionFailed")["etag"] == etag
    assert passed.status_code == 202


async def test_racing_commands_without_if_match_are_all_accepted_one_after_the_other(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()

    answers = await asyncio.gather(
        *(api.http.post(f"{DEPLOYMENT}/redeploy", json={"replicas": n}) for n in range(1, 7))
    )

    assert [answer.status_code for answer in answers] == [202] * 6
    assert len({answer.json()["sequence"] for answer in answers}) == 6


async def test_a_dry_run_answers_the_plan_and_does_nothing(api: Api) -> None:
    await api.upload()

    answer = await api.http.post(
        "/v1/groups/default/deployments?dry_run=true", json={"id": "digits", "source": SOURCE_DIGEST}
    )

    assert answer.status_code == 200
    assert answer.json()["kinds"] == ["build", "deploy"]
    assert answer.json()["request"]["config"]["replicas"] == 1
    assert await api.commands() == []


@pytest.mark.parametrize(
    ("version", "body", "reason"),
    [
        ({}, {"target": "moon"}, "TargetNotFound"),
        ({"fixed_port": 8000}, {"replicas": 2}, "VersionNotRunnable"),
    ],
)
async def test_what_the_target_cannot_run_is_refused_at_admission(
    api: Api, version: dict[str, Any], body: dict[str, Any], reason: str
) -> None:
    await api.platform.publish_version(**version)

    answer = await api.create(**body)

    problem(answer, 422, reason)
    assert await api.commands() == []


async def test_a_build_needs_no_deployment_and_names_itself(api: Api) -> None:
    await api.upload()

    answer = await api.http.post(f"{DEPLOYMENT}/builds", json={"source": SOURCE_DIGEST, "label": "v1"})

    accepted = answer.json()
    shown = await api.http.get(
        f"{DEPLOYMENT}/builds/{accepted['build']}", params={"at_least": accepted["sequence"]}
    )
    assert answer.status_code == 202
    assert accepted["operation"]["id"] == accepted["build"]
    assert shown.json()["state"] == "QUEUED"
    canceled = await api.http.post(f"{DEPLOYMENT}/builds/{accepted['build']}/cancel")
    assert canceled.status_code == 202
    assert canceled.json()["operation"]["build"] == accepted["build"]


async def test_a_build_that_has_ended_cannot_be_canceled(api: Api) -> None:
    await api.upload()
    accepted = (await api.http.post(f"{DEPLOYMENT}/builds", json={"source": SOURCE_DIGEST})).json()
    await api.platform.publish_version(build=accepted["build"])
    ended = await api.platform.log.end()
    await api.http.get(f"{DEPLOYMENT}/builds", params={"at_least": ended})

    answer = await api.http.post(f"{DEPLOYMENT}/builds/{accepted['build']}/cancel")

    assert problem(answer, 409, "BuildEnded")["state"] == "SUCCEEDED"
