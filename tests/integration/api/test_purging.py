"""A deployment whose purge has not ended is found, says what holds it up, and takes the purge again."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from api_stage import Stage
from api_world import Api, problem
from slipway_contracts.commands import Purge
from slipway_contracts.envelope import now
from slipway_contracts.events import OperationFailed
from slipway_contracts.failure import FailureRecord, Reason
from slipway_contracts.failure import Stage as FailedStage
from slipway_contracts.lifecycle import Wanted

DEPLOYMENTS = "/v1/groups/default/deployments"
STUCK = FailureRecord(
    stage=FailedStage.DEADLINE,
    reason=Reason.STOP_NOT_FINISHED,
    message="Not everything ended within 300 s: workload w1 runs.",
    hint="It goes on; check that the monitor and the target run: slipway status",
    at=now(),
)


async def decided(api: Api, stage: Stage, **record: Any) -> int:
    """Do what a deployer does that waits for the last replicas."""
    assert stage.desired is not None
    position = await api.platform.log.end()
    stage.desired = stage.desired.model_copy(update={"position": position, **record})
    return await api.platform.tell(stage.desired)


@pytest.fixture
async def purging(api: Api) -> tuple[Stage, str]:
    """Purge a deployment by its name, of which a workload stays; return the operation."""
    await api.platform.publish_version()
    await api.create(settings={"name": "numbers"})
    stage = Stage(platform=api.platform)
    await stage.take()
    answer = await api.http.post(f"{DEPLOYMENTS}/numbers/purge")
    assert answer.status_code == 202, answer.text
    await decided(api, stage, wanted=Wanted.PURGED, ended=False, traffic=())
    return stage, str(answer.json()["operation"]["id"])


async def shown(api: Api, name: str) -> httpx.Response:
    return await api.http.get(f"{DEPLOYMENTS}/{name}", params={"at_least": await api.platform.log.end()})


async def fail(api: Api, stage: Stage, operation: str) -> None:
    await decided(api, stage, ending=None)
    await api.platform.tell(OperationFailed(**stage.owner, operation=operation, failure=STUCK))


@pytest.mark.usefixtures("purging")
async def test_it_is_shown_by_id_and_by_name_with_what_it_waits_for(api: Api) -> None:
    answers = [await shown(api, name) for name in ("digits", "numbers")]

    for answer in answers:
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert (found["id"], found["name"], found["state"]) == ("digits", "numbers", "PURGING")
        assert (found["deleted"], found["failure"]) == ("purge", None)
        (ended,) = [each for each in found["conditions"] if each["type"] == "Ended"]
        assert (ended["status"], ended["reason"]) == (None, "Ending")
        assert "runs" in ended["message"]


async def test_a_failed_purge_says_why_and_that_it_can_be_repeated(
    api: Api, purging: tuple[Stage, str]
) -> None:
    await fail(api, *purging)

    failure = (await shown(api, "numbers")).json()["failure"]

    assert (failure["reason"], failure["message"]) == ("StopNotFinished", STUCK.message)
    assert "repeat the purge: slipway purge numbers" in failure["hint"]


async def test_a_repeated_purge_works_by_name_until_all_is_gone(api: Api, purging: tuple[Stage, str]) -> None:
    stage, _ = purging
    await fail(api, *purging)

    again = await api.http.post(f"{DEPLOYMENTS}/numbers/purge")
    last = await api.platform.log.last("slipway.default.digits.cmd.deployer.>")
    await decided(api, stage, wanted=Wanted.PURGED, ended=True, workloads=(), releases=())
    gone = [await shown(api, name) for name in ("digits", "numbers")]
    late = await api.http.post(f"{DEPLOYMENTS}/numbers/purge")

    assert again.status_code == 202, again.text
    assert last is not None
    assert isinstance(last.message, Purge)
    for answer in (*gone, late):
        problem(answer, 404, "DeploymentNotFound")


@pytest.mark.usefixtures("purging")
@pytest.mark.parametrize("verb", ["undelete", "stop", "redeploy"])
async def test_nothing_brings_it_back_and_the_refusal_says_what_to_do(api: Api, verb: str) -> None:
    answer = await api.http.post(f"{DEPLOYMENTS}/numbers/{verb}", json={} if verb == "redeploy" else None)

    refused = problem(answer, 409, "DeploymentPurging")
    assert "default/numbers (id digits)" in refused["detail"]
    assert f"{DEPLOYMENTS}/numbers/purge" in refused["hint"]


@pytest.mark.usefixtures("purging")
async def test_it_is_listed_and_found_by_its_state(api: Api) -> None:
    query = {"at_least": str(await api.platform.log.end())}

    more: dict[str, str]
    for more in ({}, {"state": "PURGING"}):
        answer = await api.http.get(DEPLOYMENTS, params=query | more)
        assert [each["state"] for each in answer.json()["items"]] == ["PURGING"]
    other = await api.http.get(DEPLOYMENTS, params=query | {"state": "DELETING"})
    assert other.json()["items"] == []


@pytest.mark.usefixtures("purging")
async def test_who_took_its_name_is_meant_by_it_and_its_id_stays(api: Api) -> None:
    taken = await api.create("other", source=await api.upload(), version=None, settings={"name": "numbers"})
    as_name = await api.http.patch(f"{DEPLOYMENTS}/numbers", json={"name": "digits"})

    assert taken.status_code == 202, taken.text
    assert (await shown(api, "numbers")).json()["id"] == "other"
    assert (await shown(api, "digits")).json()["state"] == "PURGING"
    assert problem(as_name, 409, "NameTaken")["holder"] == "digits"


async def test_a_deadline_that_passed_is_overdue(api: Api, purging: tuple[Stage, str]) -> None:
    stage, operation = purging
    late = now() - timedelta(seconds=1)
    await decided(api, stage, ending=operation, ending_deadline_at=late)

    assert (await shown(api, "numbers")).json()["overdue"]["owed_by"] == "deployer"
