"""Time travel: what was said about a deployment is said again, at any position and any time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_world import Api, problem
from log_script import START, Script
from log_walk import Walk
from slipway_contracts.commands import Stop
from slipway_contracts.installation_events import TargetFound, TargetLost
from slipway_contracts.lifecycle import ReleaseState

DEPLOYMENTS = ("digits", "words", "faces")
# Whether something is overdue depends on the time of the question.
OF_THE_QUESTION = ("as_of", "overdue")


def path(deployment: str = "digits") -> str:
    return f"/v1/groups/default/deployments/{deployment}"


async def shown(api: Api, deployment: str, **query: Any) -> Any:
    """Return what is said about a deployment; None: it is not there."""
    answer = await api.http.get(path(deployment), params=query)
    if answer.status_code == 404:
        return None
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if name not in OF_THE_QUESTION}


async def based(api: Api, script: Script) -> None:
    script.base = await api.platform.log.end()


@pytest.mark.parametrize("seed", [41, 42])
async def test_the_past_is_what_was_the_present_then(api: Api, seed: int) -> None:
    walk = Walk(seed)
    await based(api, walk)
    walk.run(60)
    messages, walk.messages = walk.messages, []
    then: dict[int, dict[str, Any]] = {}
    for outgoing in messages:
        sequence = (await api.platform.log.publish(outgoing)).sequence
        then[sequence] = {each: await shown(api, each, at_least=sequence) for each in DEPLOYMENTS}

    for sequence, present in then.items():
        past = {each: await shown(api, each, at=sequence) for each in DEPLOYMENTS}
        assert past == present, sequence
    for sequence, outgoing in zip(then, messages, strict=True):
        deployment = outgoing.subject.split(".")[2]
        if deployment in DEPLOYMENTS:
            past_then = await shown(api, deployment, at=outgoing.envelope.time.isoformat())
            assert past_then == then[sequence][deployment], sequence
    states = {each["state"] if each else None for present in then.values() for each in present.values()}
    assert {None, "DEPLOYING"} < states


async def test_a_deployment_is_unknown_as_long_as_its_target_was_lost(api: Api) -> None:
    script = Script()
    await based(api, script)
    script.deployed()
    script.say(TargetLost(target="local", since=START))
    lost = script.base + len(script.messages)
    script.say(TargetFound(target="local"))
    end = await script.write(api.platform.log)

    states = [(await shown(api, "digits", at=each))["state"] for each in (lost - 1, lost, end)]

    assert states == ["DEPLOYED", "UNKNOWN", "DEPLOYED"]


async def test_what_was_overdue_then_is_judged_by_the_clock_of_then(api: Api) -> None:
    script = Script()
    await based(api, script)
    script.deployed()
    script.say(Stop(**script.asker))
    asked = script.messages[-1].envelope.time
    end = await script.write(api.platform.log)
    await api.http.get(path(), params={"at_least": end})

    soon, late, by_position = [
        (await api.http.get(path(), params={"at": at})).json()
        for at in ((asked + timedelta(seconds=20)).isoformat(), (asked + timedelta(hours=1)).isoformat(), end)
    ]

    assert soon["overdue"] is by_position["overdue"] is None
    assert late["overdue"]["owed_by"] == "deployer"
    assert {each["as_of"] for each in (soon, late, by_position)} == {end}


async def test_a_purged_deployment_is_there_in_its_past(api: Api) -> None:
    script = Script()
    await based(api, script)
    script.deployed()
    there = await script.write(api.platform.log)
    script.purged()
    end = await script.write(api.platform.log)

    before = await shown(api, "digits", at=there, at_least=end)
    gone = await api.http.get(path(), params={"at": end})

    assert (before["state"], before["live"]["state"]) == ("DEPLOYED", ReleaseState.LIVE)
    assert "had been purged" in problem(gone, 404, "DeploymentNotFound")["detail"]


async def test_before_its_beginning_it_says_when_that_was(api: Api) -> None:
    script = Script()
    await based(api, script)
    script.deployed()
    began = script.messages[0].envelope.time
    end = await script.write(api.platform.log)
    await api.http.get(path(), params={"at_least": end})

    for at in ("0", str(script.base), (began - timedelta(microseconds=1)).isoformat()):
        found = problem(await api.http.get(path(), params={"at": at}), 404, "DeploymentNotFound")
        assert datetime.fromisoformat(found["created_at"]) == began
        assert began.isoformat() in found["detail"]
    never = await api.http.get(path("never"), params={"at": end})
    assert "created_at" not in problem(never, 404, "DeploymentNotFound")


@pytest.mark.parametrize("at", ["soon", "", "-1", "1e3", "2026-01-01T00:00:00", "9" * 20])
async def test_what_is_no_moment_is_refused_with_both_forms(api: Api, at: str) -> None:
    found = problem(await api.http.get(path(), params={"at": at}), 422, "InvalidRequest")

    assert "as 42" in found["hint"]
    assert "2026-01-31T12:00:00Z" in found["hint"]


async def test_the_future_is_refused(api: Api) -> None:
    end = await api.platform.log.end()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()

    of_the_log = problem(await api.http.get(path(), params={"at": end + 1}), 422, "InvalidRequest")
    by_the_clock = problem(await api.http.get(path(), params={"at": tomorrow}), 422, "InvalidRequest")

    assert of_the_log["end"] == end
    assert of_the_log["errors"][0]["code"] == by_the_clock["errors"][0]["code"] == "future"


async def test_a_past_that_is_not_projected_yet_is_awaited_or_refused(api: Api) -> None:
    script = Script()
    await based(api, script)
    await api.projector.stop()
    script.deployed()
    end = await script.write(api.platform.log)

    behind = problem(await api.http.get(path(), params={"at": end}), 503, "ProjectionBehind")
    api.projector.start()
    there = await shown(api, "digits", at=end)

    assert behind["at_least"] == end
    assert there["state"] == "DEPLOYED"


async def test_an_offset_that_was_not_encoded_is_understood(api: Api) -> None:
    script = Script()
    await based(api, script)
    script.deployed()
    end = await script.write(api.platform.log)
    await api.http.get(path(), params={"at_least": end})
    at = (script.messages[-1].envelope.time).isoformat()

    answer = await api.http.get(f"{path()}?at={at}")

    assert answer.json()["as_of"] == end
    assert "etag" not in answer.headers
