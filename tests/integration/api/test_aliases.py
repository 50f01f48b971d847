"""Aliases and pins: where they point, what they start, and which names are taken."""

from typing import Any

from api_stage import Stage
from api_world import SOURCE_DIGEST, Api, problem
from slipway_contracts.commands import Pin, RemoveAlias, SetAlias
from slipway_contracts.traffic import TrafficShare

DEPLOYMENT = "/v1/groups/default/deployments/digits"


async def three_releases(api: Api) -> Stage:
    """Releases 1 and 2 are retired, release 3 serves `live`; each of its own version."""
    stage = Stage(platform=api.platform)
    await api.platform.publish_version()
    await api.create()
    await stage.take()
    for label in ("20260101.2", "20260101.3"):
        await api.platform.publish_version(label)
        await api.http.post(f"{DEPLOYMENT}/deploy", json={"version": label})
        await stage.take()
    return stage


async def put(api: Api, alias: str, **body: Any) -> Any:
    return await api.http.put(f"{DEPLOYMENT}/aliases/{alias}", json=body)


async def test_an_alias_points_by_release_by_weight_and_by_version(api: Api) -> None:
    await three_releases(api)
    shares = [{"release": 3, "weight": 70}, {"release": 2, "weight": 30}]

    one = await put(api, "one", release=3)
    by_release = await api.last_command()
    several = await put(api, "several", shares=shares)
    by_weight = await api.last_command()
    labelled = await put(api, "labelled", version="20260101.1")
    by_version = await api.last_command()

    assert [each.status_code for each in (one, several, labelled)] == [202] * 3
    assert isinstance(by_release, SetAlias)
    assert (by_release.shares, by_release.restored) == ((TrafficShare(release=3, weight=100),), ())
    assert [(each.release, each.weight) for each in by_weight.shares] == [(3, 70), (2, 30)]
    assert [each.number for each in by_weight.restored] == [2]
    assert by_version.shares == (TrafficShare(release=1, weight=100),)
    assert [each.version.label for each in by_version.restored] == ["20260101.1"]


async def test_the_list_says_where_aliases_point_and_their_urls(api: Api) -> None:
    stage = await three_releases(api)
    await put(api, "staging", shares=[{"release": 3, "weight": 70}, {"release": 2, "weight": 30}])
    last = await stage.take()

    listed = (await api.http.get(f"{DEPLOYMENT}/aliases", params={"at_least": last})).json()["items"]
    one = (await api.http.get(f"{DEPLOYMENT}/aliases/staging")).json()
    shown = (await api.http.get(DEPLOYMENT)).json()

    base = "http://gateway.test:8000/default/digits"
    urls = {each["alias"]: each["url"] for each in listed}
    assert urls == {"live": base, "staging": f"{base}/staging"}
    assert [(each["release"], each["weight"], each["version_label"]) for each in one["shares"]] == [
        (3, 70, "20260101.3"),
        (2, 30, "20260101.2"),
    ]
    assert shown["aliases"] == listed


async def test_what_an_alias_cannot_point_at_is_refused(api: Api) -> None:
    await three_releases(api)
    await api.platform.publish_version("20260101.4")

    unknown = await put(api, "staging", release=9)
    never = await put(api, "staging", version="20260101.4")
    nothing = await put(api, "staging", version="20260101.9")
    light = await put(api, "staging", shares=[{"release": 3, "weight": 50}])
    twice = await put(api, "staging", shares=[{"release": 3, "weight": 50}] * 2)
    empty = await put(api, "staging")

    assert problem(unknown, 404, "ReleaseNotFound")["release"] == 9
    assert problem(never, 404, "ReleaseNotFound")["version"] == "20260101.4"
    problem(nothing, 404, "VersionNotFound")
    for broken in (light, twice, empty):
        problem(broken, 422, "InvalidRequest")


async def test_an_alias_is_taken_away_but_live_is_not(api: Api) -> None:
    stage = await three_releases(api)
    await put(api, "staging", release=3)
    await stage.take()

    removed = await api.http.delete(f"{DEPLOYMENT}/aliases/staging")
    command = await api.last_command()
    await stage.take()
    again = await api.http.delete(f"{DEPLOYMENT}/aliases/staging")
    live = await api.http.delete(f"{DEPLOYMENT}/aliases/live")

    assert removed.status_code == 202
    assert isinstance(command, RemoveAlias)
    problem(again, 404, "AliasNotFound")
    problem(live, 409, "AliasReserved")


async def test_a_name_is_an_alias_a_label_or_an_endpoint_and_never_two(api: Api) -> None:
    stage = await three_releases(api)
    await api.upload()
    await api.platform.publish_version("stable")
    await put(api, "staging", release=3)
    await stage.take()

    endpoint = await put(api, "predict", release=3)
    label = await put(api, "stable", release=3)
    body = {"source": SOURCE_DIGEST, "label": "staging"}
    built = await api.http.post(f"{DEPLOYMENT}/builds", json=body)
    deployed = await api.http.post(f"{DEPLOYMENT}/deploy", json=body)
    aliased = await api.http.post(f"{DEPLOYMENT}/redeploy", json={"alias": "stable"})
    live = await api.http.post(f"{DEPLOYMENT}/builds", json={"source": SOURCE_DIGEST, "label": "live"})

    for refused in (endpoint, label, built, deployed, aliased, live):
        problem(refused, 409, "NameClash")


async def test_a_pinned_release_is_kept_and_a_retired_one_is_started(api: Api) -> None:
    stage = await three_releases(api)

    pinned = await api.http.put(f"{DEPLOYMENT}/releases/1/pin")
    command = await api.last_command()
    last = await stage.take()
    shown = (await api.http.get(DEPLOYMENT, params={"at_least": last})).json()
    unpinned = await api.http.delete(f"{DEPLOYMENT}/releases/1/pin")
    undone = await api.last_command()
    again = await api.http.delete(f"{DEPLOYMENT}/releases/1/pin")

    assert (pinned.status_code, unpinned.status_code) == (202, 202)
    assert isinstance(command, Pin)
    assert command.restored is not None
    assert (command.release, command.pinned, command.restored.number) == (1, True, 1)
    assert shown["pins"] == [1]
    assert (undone.pinned, undone.restored) == (False, None)
    problem(again, 409, "NotPinned")


async def test_a_stopped_deployment_takes_no_aliases(api: Api) -> None:
    stage = await three_releases(api)
    await api.http.post(f"{DEPLOYMENT}/stop")
    await stage.take()

    problem(await put(api, "staging", release=3), 409, "NotRunning")
    problem(await api.http.put(f"{DEPLOYMENT}/releases/1/pin"), 409, "NotRunning")
