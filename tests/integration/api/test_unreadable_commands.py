"""A command that its readers cannot take never enters the log, and one that is there harms no later one."""

from datetime import timedelta

import pytest
from api_world import SOURCE_DIGEST, Api, problem
from slipway_api.identity.access import Principal
from slipway_api.installation.directory import Directory
from slipway_api.refusing.problems import InternalFailureError
from slipway_api.submitting.admission import Admission
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.reservations import Reservations
from slipway_api.submitting.submissions import Submissions
from slipway_contracts.commands import Build, Deploy, Redeploy
from slipway_contracts.envelope import new_id, now
from slipway_contracts.release import LARGEST_ENVIRONMENT, ReleaseConfig
from slipway_contracts.traffic import ReleaseRequest
from slipway_store.connections import open_pool
from slipway_store.queries import open_reads

DEPLOYMENTS = "/v1/groups/default/deployments"
DEPLOYMENT = f"{DEPLOYMENTS}/digits"
TOO_MUCH = {
    "environment": {"A": "x" * 30_000, "B": "x" * 30_000},
    "metadata": {f"m{number}": "x" * 4000 for number in range(9)},
}


async def last_request(api: Api, verb: str = "*") -> ReleaseRequest:
    stored = await api.platform.log.last(f"slipway.default.digits.cmd.deployer.{verb}")
    assert stored is not None
    assert isinstance(stored.message, Redeploy | Deploy)
    return stored.message.request


async def add_unreadable(api: Api, kind: type[Deploy | Redeploy]) -> None:
    """Put a command into the log as a release of the api without these limits did."""
    request = await last_request(api, "deploy")
    config = request.config.model_copy(update={"environment": TOO_MUCH["environment"]})
    command = kind(group="default", deployment="digits", by="ada", request_digest="d", request=request)
    broken = request.model_copy(update={"config": config})
    await api.platform.tell(command.model_copy(update={"request": broken}))


@pytest.mark.parametrize("name", ["environment", "metadata"])
async def test_more_than_a_command_can_hold_is_refused_by_every_verb(api: Api, name: str) -> None:
    await api.platform.publish_version()
    await api.create()
    release = {"version": "20260101.1", name: TOO_MUCH[name]}

    for path, body in [
        (DEPLOYMENTS, release | {"id": "other"}),
        (f"{DEPLOYMENT}/deploy", release),
        (f"{DEPLOYMENT}/redeploy", {name: TOO_MUCH[name]}),
    ]:
        answer = await api.http.post(path, json=body)

        errors = problem(answer, 422, "InvalidRequest")["errors"]
        assert [error["pointer"] for error in errors] == [f"#/{name}"]
        assert str(LARGEST_ENVIRONMENT) in errors[0]["detail"]
    assert await api.commands() == ["command.deploy.v1"]


async def test_an_environment_of_the_largest_size_is_accepted_and_readable(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()
    environment = {"A": "x" * 20_000, "B": "x" * (LARGEST_ENVIRONMENT - 20_002)}

    answer = await api.http.post(f"{DEPLOYMENT}/redeploy", json={"environment": environment})

    assert answer.status_code == 202
    assert (await last_request(api)).config.environment == environment


async def test_a_redeploy_passes_over_a_command_that_cannot_be_read(api: Api) -> None:
    await api.platform.publish_version()
    await api.create(replicas=2)
    await add_unreadable(api, Redeploy)

    answer = await api.http.post(f"{DEPLOYMENT}/redeploy", json={"description": "again"})

    assert answer.status_code == 202
    assert (await last_request(api)).config == ReleaseConfig(replicas=2, description="again")


async def test_passing_over_a_command_does_not_revive_what_was_deleted_before(api: Api) -> None:
    await api.platform.publish_version()
    await api.create()
    await add_unreadable(api, Redeploy)
    await api.http.post(f"{DEPLOYMENT}/redeploy", json={})
    await api.http.delete(DEPLOYMENT)
    await add_unreadable(api, Deploy)

    answer = await api.http.post(f"{DEPLOYMENT}/redeploy", json={})

    problem(answer, 409, "NothingToRun")


async def test_what_breaks_its_own_type_is_refused_before_it_is_in_the_log(api: Api) -> None:
    database = api.service.settings.database_url.get_secret_value()
    reads = await open_reads(database)
    log, pool = api.platform.log, await open_pool(database)
    admission = Admission(
        log=log,
        directory=Directory(log=log),
        reservations=Reservations(pool=pool),
        patience=timedelta(seconds=1),
    )
    submissions = Submissions(log=log, reads=reads, admission=admission)
    caller = Principal(key="k", user="ada", grants=())
    ask = Ask(caller=caller, id=new_id(), digest="d", repeatable=False)
    build = Build(
        group="default",
        deployment="digits",
        by="ada",
        request_digest="d",
        source=SOURCE_DIGEST,
        deadline_at=now(),
    )

    with pytest.raises(InternalFailureError):
        await submissions.to_builder(ask, build.model_copy(update={"source": "no digest"}))
    await reads.close()
    await pool.close()

    assert await api.commands() == []
