"""Admission: no more than quota and target allow, however many ask at once and whatever is away."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_processes import ApiProcesses, api_processes
from api_world import SOURCE, Api, problem
from eventually import eventually
from servers import NatsServer
from slipway_chassis.event_log import EventLog
from slipway_contracts.desired import Desired
from slipway_contracts.installation_events import TargetAnnounced
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.release import ReleaseConfig

GROUP = "/v1/groups/default"
DEPLOYMENTS = f"{GROUP}/deployments"
DIGITS = f"{DEPLOYMENTS}/digits"


async def limit(client: httpx.AsyncClient, **quota: float) -> None:
    answer = await client.put(GROUP, json={"quota": quota})
    assert answer.status_code == 200, answer.text


async def upload(client: httpx.AsyncClient, group: str = "default") -> str:
    digest = f"sha256:{hashlib.sha256(SOURCE).hexdigest()}"
    await client.put(f"/v1/groups/{group}/artifacts/{digest}", content=SOURCE)
    return digest


async def create(client: httpx.AsyncClient, deployment: str, source: str, **body: Any) -> httpx.Response:
    size = {"cpu": 0.1, "memory_bytes": 1 << 20}
    document = {"id": deployment, "source": source, "size": size, **body}
    return await client.post(DEPLOYMENTS, json=document)


async def ended(api: Api | ApiProcesses, deployment: str, wanted: Wanted) -> None:
    """Do what the deployer does for a stop or a delete."""
    position = await api.platform.log.end()
    await api.platform.tell(
        Desired(group="default", deployment=deployment, position=position, wanted=wanted, ended=True)
    )


async def use(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(GROUP)).json()["use"]
    return found


@pytest.fixture
async def three(
    log: EventLog, fresh_nats: NatsServer, make_database: Callable[[], Awaitable[str]], tmp_path: Path
) -> AsyncIterator[ApiProcesses]:
    """Three api processes; the projector does not run."""
    async with api_processes(
        3,
        log=log,
        nats_url=fresh_nats.url,
        database_url=await make_database(),
        folder=tmp_path,
        reservation_patience="PT10S",
    ) as running:
        yield running


async def test_of_a_hundred_creates_in_three_processes_the_quota_admits_ten_without_a_projector(
    three: ApiProcesses,
) -> None:
    first = three.clients[0]
    await limit(first, deployments=10)
    source = await upload(first)
    for client in three.clients:
        await eventually(partial(_knows_limit, client))

    answers = await asyncio.gather(*(create(three.clients[n % 3], f"d{n}", source) for n in range(100)))

    accepted = [answer.json()["deployment"] for answer in answers if answer.status_code == 202]
    refused = [problem(answer, 403, "QuotaExceeded") for answer in answers if answer.status_code != 202]
    assert len(accepted) == 10
    assert {(each["resource"], each["asked"], each["used"], each["limit"]) for each in refused} == {
        ("deployments", 1, 10, 10)
    }
    three.projector.start()
    await eventually(lambda: _projected(three), timeout=60)
    assert (await use(first))["deployments"] == 10
    problem(await create(three.clients[1], "late", source), 403, "QuotaExceeded")
    assert (await first.delete(f"{DEPLOYMENTS}/{accepted[0]}")).status_code == 202
    await ended(three, accepted[0], Wanted.DELETED)

    async def admitted() -> bool:
        return (await create(three.clients[2], "late", source)).status_code == 202

    await eventually(admitted, timeout=60)
    problem(await create(three.clients[2], "later", source), 403, "QuotaExceeded")


async def _knows_limit(client: httpx.AsyncClient) -> bool:
    return bool((await client.get(GROUP)).json()["quota"]["deployments"] == 10)


async def _projected(three: ApiProcesses) -> bool:
    end = await three.platform.log.end()
    answer = await three.clients[0].get("/v1/deployments", params={"at_least": end})
    return answer.status_code == 200


async def live(api: Api, replicas: int, **config: Any) -> None:
    """Bring `digits` live with this many replicas."""
    await api.platform.publish_version()
    size = {"cpu": 1.0, "memory_bytes": 1 << 20}
    created = await api.create(replicas=replicas, size=size)
    assert created.status_code == 202, created.text
    made = ReleaseConfig.model_validate({"replicas": replicas, "size": size, **config})
    await api.platform.bring_live(created.json()["operation"]["id"], made)


async def test_a_full_group_can_still_redeploy_but_not_grow(api: Api) -> None:
    await live(api, replicas=2)
    await limit(api.http, replicas=2, deployments=1)

    same = await api.http.post(f"{DIGITS}/redeploy", json={"environment": {"A": "b"}})
    more = await api.http.post(f"{DIGITS}/scale", json={"replicas": 3})
    fewer = await api.http.post(f"{DIGITS}/scale", json={"replicas": 1})

    assert same.status_code == 202, same.text
    assert fewer.status_code == 202, fewer.text
    document = problem(more, 403, "QuotaExceeded")
    assert (document["resource"], document["asked"], document["used"], document["limit"]) == (
        "replicas", 1, 2, 2,
    )  # fmt: skip


async def test_a_stop_gives_its_replicas_back_and_keeps_the_deployment(api: Api) -> None:
    await live(api, replicas=2)
    before = await use(api.http)

    stopped = await api.http.post(f"{DIGITS}/stop")
    await ended(api, "digits", Wanted.STOPPED)

    assert stopped.status_code == 202
    assert (before["deployments"], before["replicas"], before["cpu"]) == (1, 2, 2.0)

    async def given_back() -> bool:
        now = await use(api.http)
        return (now["deployments"], now["replicas"], now["cpu"]) == (1, 0, 0)

    await eventually(given_back)


async def test_a_dry_run_is_refused_like_the_command_and_holds_nothing(api: Api) -> None:
    await limit(api.http, deployments=1)
    source = await upload(api.http)

    planned = await api.http.post(
        DEPLOYMENTS, params={"dry_run": True}, json={"id": "digits", "source": source}
    )
    await create(api.http, "first", source)
    refused = await api.http.post(
        DEPLOYMENTS, params={"dry_run": True}, json={"id": "digits", "source": source}
    )

    assert planned.status_code == 200, planned.text
    problem(refused, 403, "QuotaExceeded")
    assert (await use(api.http))["deployments"] == 1


async def test_a_repeated_request_is_admitted_though_the_group_is_full(api: Api) -> None:
    await limit(api.http, deployments=1)
    source, key = await upload(api.http), {"Idempotency-Key": "once"}
    body = {"id": "digits", "source": source}

    first, again = [await api.http.post(DEPLOYMENTS, json=body, headers=key) for _ in range(2)]

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["operation"]["id"] == again.json()["operation"]["id"]


async def four_cores(api: Api) -> None:
    """Let the target have four cores."""
    small = TargetAnnounced(target="local", engine="supervisor", epoch=2, cpu=4, memory_bytes=1 << 33)
    await api.platform.tell(small)

    async def known() -> bool:
        return bool((await api.http.get("/v1/targets/local")).json()["cpu"] == 4)

    await eventually(known)


async def test_a_surge_without_room_is_refused_unless_it_is_in_place(api: Api) -> None:
    await four_cores(api)
    await live(api, replicas=3)
    changed = {"environment": {"A": "b"}}

    surge = await api.http.post(f"{DIGITS}/redeploy", json=changed)
    in_place = await api.http.post(f"{DIGITS}/redeploy", json={**changed, "strategy": "in-place"})

    document = problem(surge, 409, "CapacityExceeded")
    assert (document["target"], document["resource"]) == ("local", "cpu")
    assert (document["asked"], document["used"], document["free"]) == (3, 3, 1)
    assert in_place.status_code == 202, in_place.text


async def test_a_description_is_changed_on_a_full_target(api: Api) -> None:
    await four_cores(api)
    await live(api, replicas=4)

    answer = await api.http.post(f"{DIGITS}/redeploy", json={"description": "no new replica"})

    assert answer.status_code == 202, answer.text


async def test_the_room_of_a_target_is_shared_by_all_groups(api: Api) -> None:
    await four_cores(api)
    await live(api, replicas=3)
    await api.http.put("/v1/groups/team", json={})
    source = await upload(api.http, "team")
    body = {"id": "other", "source": source, "size": {"cpu": 2.0, "memory_bytes": 1 << 20}}

    answer = await api.http.post("/v1/groups/team/deployments", json=body)

    assert problem(answer, 409, "CapacityExceeded")["free"] == 1
