"""Targets: what they have, what is held of it, whether they are watched."""

from typing import Any

from api_world import Api, problem
from eventually import eventually
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import TargetAnnounced, TargetFound, TargetLost

LOCAL = "/v1/targets/local"
SCALE = "/v1/groups/default/deployments/digits/scale"


async def announce(api: Api, **overrides: object) -> None:
    values = {"target": "local", "engine": "supervisor", "epoch": 2, "cpu": 4, "memory_bytes": 8 << 30}
    await api.platform.tell(TargetAnnounced.model_validate(values | overrides))


async def shown_with(api: Api, **members: object) -> dict[str, Any]:
    """Return the target once it is shown with these members."""
    target: dict[str, Any] = {}

    async def shows() -> bool:
        target.update((await api.http.get(LOCAL)).json())
        return members.items() <= target.items()

    await eventually(shows)
    return target


async def test_a_target_shows_what_it_has_and_what_is_held_of_it(api: Api) -> None:
    await announce(api, allocatable_cpu=3, gpu=2)
    await shown_with(api, capacity={"cpu": 4, "memory_bytes": 8 << 30, "gpu": 2})
    await api.platform.publish_version()
    await api.create(replicas=2, size={"cpu": 0.5, "memory_bytes": 1 << 30})

    shown = (await api.http.get(LOCAL)).json()

    assert shown["capacity"] == {"cpu": 4, "memory_bytes": 8 << 30, "gpu": 2}
    assert shown["allocatable"] == {"cpu": 3, "memory_bytes": 8 << 30, "gpu": 2}
    assert (shown["used"]["replicas"], shown["used"]["cpu"]) == (2, 1.0)
    assert shown["free"] == {"cpu": 2.0, "memory_bytes": 6 << 30, "gpu": 2}
    assert (shown["health"], shown["lost_since"], shown["unknown_workloads"]) == ("watched", None, [])


async def test_a_lost_target_says_since_when(api: Api) -> None:
    await api.platform.tell(TargetLost(target="local", since=now()))
    lost = await shown_with(api, health="lost")

    await api.platform.tell(TargetFound(target="local"))
    found = await shown_with(api, health="watched")

    assert (lost["health"], lost["lost"]) == ("lost", True)
    assert lost["lost_since"] is not None
    assert (found["health"], found["lost_since"]) == ("watched", None)


async def test_an_unknown_target_is_told_from_those_there_are(api: Api) -> None:
    document = problem(await api.http.get("/v1/targets/moon"), 404, "TargetNotFound")

    assert document["targets"] == ["local"]


async def test_what_is_asked_for_beyond_what_a_target_has_is_said_with_numbers(api: Api) -> None:
    await announce(api, allocatable_cpu=200, allocatable_memory_bytes=64 << 30)
    await shown_with(api, capacity={"cpu": 4, "memory_bytes": 8 << 30, "gpu": 0})
    await api.platform.publish_version()
    size = {"cpu": 1, "memory_bytes": 1 << 28}
    fits = await api.create(size=size)
    before = (await api.http.get(LOCAL)).json()

    plan = await api.http.post(SCALE, json={"replicas": 100}, params={"dry_run": True})
    scaled = await api.http.post(SCALE, json={"replicas": 100})
    after = (await api.http.get(LOCAL)).json()
    less = await api.http.post(SCALE, json={"replicas": 50})

    assert fits.json()["notices"] == []
    assert (before["overcommitted"], before["notices"]) == (False, [])
    assert scaled.status_code == 202, scaled.text
    words = "Target local has {}; its replicas then ask for {} together and share what there is."
    assert scaled.json()["notices"] == [
        words.format("4 cores", "100 cores"),
        words.format("8192 MiB of memory", "25600 MiB of memory"),
    ]
    assert plan.json()["notices"] == scaled.json()["notices"]
    assert after["overcommitted"] is True
    assert ["100 cores" in after["notices"][0], "25600 MiB" in after["notices"][1]] == [True, True]
    assert less.json()["notices"] == [], "what makes it better is no warning"


async def test_what_a_target_may_not_give_is_refused_all_the_same(api: Api) -> None:
    await announce(api, allocatable_cpu=64)
    await shown_with(api, allocatable={"cpu": 64, "memory_bytes": 8 << 30, "gpu": 0})
    await api.platform.publish_version()
    await api.create(size={"cpu": 1, "memory_bytes": 1 << 20})

    refused = problem(await api.http.post(SCALE, json={"replicas": 65}), 409, "CapacityExceeded")

    assert (refused["used"], refused["allocatable"]) == (1, 64)
