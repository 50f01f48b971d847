"""Whatever is killed, hangs, loops or vanishes: the state says so at once, and what can heal heals."""

import asyncio
import json
import os
import shutil
import signal
import sysconfig
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from e2e.carrying_out import MISBEHAVING, answer, carried_out, comes_to_answer, outcome, ready_pids, run, told
from e2e.running_platform import RunningPlatform, calling, ended
from eventually import eventually
from slipway.client import Slipway
from slipway.documents import Configuration, Operation

SUPERVISORCTL: Final = Path(sysconfig.get_path("scripts")) / "supervisorctl"
DEPLOYMENTS: Final = {"of-two": 2, "of-one": 1, "looping": 1, "hanging": 1, "flapping": 1, "removed": 1}
# Out of order for as long as the file is there: a replica that died cannot come back before it is gone.
MANIFEST: Final = """
endpoints:
  - name: misbehave
    server-command: >-
      if [ -e "$TROUBLE" ]; then echo out of order; exit 7; fi; exec python misbehave.py
    health: /health
    timeout: 5s
"""
SMOKE_TEST: Final = """    smoke-test:
      path: /status/418
      expect: {status: 200}
"""


@pytest.fixture(scope="module")
def trouble(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: a file in it named like a deployment keeps replicas of that from starting."""
    return tmp_path_factory.mktemp("trouble")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    shutil.copy(MISBEHAVING / "misbehave.py", folder)
    (folder / "slipway.yaml").write_text(MANIFEST)
    return folder


@pytest.fixture(scope="module", autouse=True)
def deployed(platform: RunningPlatform, source: Path, trouble: Path) -> None:
    """All deployments of this module; what takes long begins at once: one hangs, one loops."""

    async def deploy() -> None:
        async with platform.client() as client:
            digest = await client.upload_folder(source)
            await asyncio.gather(
                *(
                    carried_out(
                        client,
                        client.put(
                            name,
                            source=digest,
                            config=Configuration(
                                replicas=replicas, environment={"TROUBLE": str(trouble / name)}
                            ),
                        ),
                    )
                    for name, replicas in DEPLOYMENTS.items()
                )
            )
        (trouble / "looping").touch()
        await ask(platform, "looping", "kill")
        await ask(platform, "hanging", "hang")

    asyncio.run(deploy())


@pytest.fixture
async def client(platform: RunningPlatform) -> AsyncIterator[Slipway]:
    async with platform.client() as client:
        yield client


async def ask(platform: RunningPlatform, deployment: str, deed: str) -> None:
    """Ask a deployment to misbehave; it may be gone before it answers."""
    await answer(f"{platform.gateway_url}/default/{deployment}/misbehave/{deed}")


async def state_of(client: Slipway, deployment: str) -> str:
    return (await client.deployment(deployment)).state


async def becomes(client: Slipway, deployment: str, state: str, within: float = 30) -> dict[str, Any]:
    """Wait until a deployment is in this state, and return it as it is shown."""

    async def shown() -> dict[str, Any] | None:
        document = (await client.deployment(deployment)).as_json()
        assert document["state"] == state, (document["state"], document["ready"], document["replicas"])
        return document

    return dict(await eventually(shown, timeout=within) or {})


async def replica_states(client: Slipway, deployment: str, *, after: int) -> list[tuple[str, str | None]]:
    """Return what was seen of the replicas of a deployment since a sequence."""
    events = client.past_events(deployment=deployment, types=["replica"], after=after)
    return [(event.data["state"], event.data.get("detail")) async for event in events]


async def end_of_log(client: Slipway, deployment: str) -> int:
    return max([event.sequence async for event in client.past_events(deployment=deployment)])


@contextmanager
def frozen(platform: RunningPlatform, process: str) -> Iterator[None]:
    """Keep a process of the platform from doing anything, and from being started anew."""
    pid = platform.pid(process)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_a_killed_replica_of_two_degrades_the_deployment_and_no_request_is_lost(
    platform: RunningPlatform, client: Slipway, trouble: Path
) -> None:
    victim, survivor = sorted(await ready_pids(client, "of-two"))

    async with calling(f"{platform.gateway_url}/default/of-two/misbehave") as probe:
        (trouble / "of-two").touch()
        os.kill(victim, signal.SIGKILL)
        degraded = await becomes(client, "of-two", "DEGRADED")
        only = await told(f"{platform.gateway_url}/default/of-two/misbehave")
        (trouble / "of-two").unlink()
        await becomes(client, "of-two", "DEPLOYED")

    assert (degraded["ready"], degraded["replicas"]) == (1, 2)
    assert only["pid"] == survivor
    assert survivor in await ready_pids(client, "of-two")
    assert len(probe.failures) <= 1, probe.failures  # the one that the killed replica had


async def test_a_killed_replica_of_one_leaves_nothing_and_comes_back(
    platform: RunningPlatform, client: Slipway, trouble: Path
) -> None:
    url = f"{platform.gateway_url}/default/of-one/misbehave"
    [victim] = await ready_pids(client, "of-one")

    (trouble / "of-one").touch()
    os.kill(victim, signal.SIGKILL)
    unavailable = await becomes(client, "of-one", "UNAVAILABLE")
    status, problem = await answer(url)
    (trouble / "of-one").unlink()
    await becomes(client, "of-one", "DEPLOYED")
    await comes_to_answer(url, 200)

    assert unavailable["ready"] == 0
    assert status == 503
    assert "hint" in problem
    assert (await told(url))["pid"] != victim


async def test_flapping_gives_one_fact_per_change(platform: RunningPlatform, client: Slipway) -> None:
    begin = await end_of_log(client, "flapping")
    [replica] = (await client.deployment("flapping")).as_json()["replica_list"]

    await ask(platform, "flapping", "fail-health")
    await becomes(client, "flapping", "UNAVAILABLE")
    await recover(replica["address"])
    await becomes(client, "flapping", "DEPLOYED")

    assert [state for state, _ in await replica_states(client, "flapping", after=begin)] == [
        "unready",
        "ready",
    ]


async def recover(address: str) -> None:
    """Ask a replica itself to behave again: the gateway asks none that is unready."""
    async with httpx.AsyncClient() as session:
        response = await session.get(f"http://{address}/recover")
    assert response.status_code == 200


async def rollout(client: Slipway, deployment: str, trouble: Path, **environment: str) -> Operation:
    """Redeploy and return how it ended."""
    config = Configuration(
        environment={"TROUBLE": str(trouble / deployment), **environment}, deadline_seconds=200
    )
    return await outcome(client, client.redeploy(deployment, config=config))


async def test_a_slow_start_within_the_deadline_is_no_failure(client: Slipway, trouble: Path) -> None:
    operation = await rollout(client, "of-one", trouble, SLOW_START_SECONDS="4")

    assert operation.state == "SUCCEEDED"
    assert await state_of(client, "of-one") == "DEPLOYED"


async def test_a_wrong_port_is_told_long_before_the_deadline(client: Slipway, trouble: Path) -> None:
    serves = (await client.deployment("of-one")).live_release

    operation = await rollout(client, "of-one", trouble, LISTEN="wrong-port")

    after = await client.deployment("of-one")
    assert operation.failure is not None
    assert operation.failure.reason == "WrongPort"
    assert operation.failure.hint
    assert (after.state, after.live_release) == ("DEPLOYED", serves)


async def test_a_smoke_test_that_fails_is_told_and_nothing_is_moved(
    client: Slipway, source: Path, trouble: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "smoke"
    shutil.copytree(source, folder)
    (folder / "slipway.yaml").write_text(MANIFEST + SMOKE_TEST)
    serves = (await client.deployment("of-one")).live_release
    config = Configuration(environment={"TROUBLE": str(trouble / "of-one")})

    operation = await outcome(
        client, client.deploy("of-one", source=await client.upload_folder(folder), config=config)
    )

    after = await client.deployment("of-one")
    assert operation.failure is not None
    assert (operation.failure.reason, operation.failure.stage) == ("SmokeTestFailed", "smoke-test")
    assert "418" in operation.failure.message
    assert (after.state, after.live_release) == ("DEPLOYED", serves)


async def test_a_replica_stopped_or_removed_by_hand_comes_back(
    platform: RunningPlatform, client: Slipway
) -> None:
    [first] = await ready_pids(client, "removed")

    await supervisorctl(platform, "stop", program_of(platform, await workload_of(client, "removed")))
    [second] = await eventually(lambda: another(client, "removed", {first}), timeout=20)
    program = program_of(platform, await workload_of(client, "removed"))
    (platform.state / "engine" / "programs" / f"{program}.conf").unlink()
    await supervisorctl(platform, "stop", program)
    await supervisorctl(platform, "remove", program)
    [third] = await eventually(lambda: another(client, "removed", {first, second}), timeout=20)

    url = f"{platform.gateway_url}/default/removed/misbehave"
    await becomes(client, "removed", "DEPLOYED")
    await comes_to_answer(url, 200)
    assert (await told(url))["pid"] == third


async def workload_of(client: Slipway, deployment: str) -> str:
    replicas = (await client.deployment(deployment)).as_json()["replica_list"]
    [found] = {each["workload"] for each in replicas if each["state"] == "ready"}
    return str(found)


def program_of(platform: RunningPlatform, workload: str) -> str:
    """Return the program of supervisord that runs the one replica of a workload now."""
    files = (platform.state / "engine" / "programs").glob(f"*-{workload}-*.conf")
    return max(files, key=lambda path: path.stat().st_mtime).stem


async def supervisorctl(platform: RunningPlatform, *arguments: str) -> None:
    runtime = json.loads((platform.state / "installation.json").read_text())["runtime"]
    await run(str(SUPERVISORCTL), "-s", f"unix://{runtime}/supervisor.sock", *arguments)


async def another(client: Slipway, deployment: str, before: set[int]) -> set[int]:
    """Return the processes that are ready and were not before; nothing while there are none."""
    return await ready_pids(client, deployment) - before


async def test_a_stop_that_takes_too_long_says_what_it_waits_for_and_goes_on(
    platform: RunningPlatform, client: Slipway
) -> None:
    await carried_out(client, client.configure("flapping", {"stop_deadline_seconds": 1.0}))
    url = f"{platform.gateway_url}/default/flapping/misbehave"

    long = asyncio.create_task(answer(f"{url}/slow/4"))
    await eventually(lambda: is_asked(client, "flapping"))
    stop = await outcome(client, client.stop("flapping"))
    status, _ = await long

    assert status == 200
    assert stop.failure is not None
    assert stop.failure.reason == "StopNotFinished"
    assert "drains" in stop.failure.message
    await becomes(client, "flapping", "STOPPED")
    await carried_out(client, client.start("flapping"))


async def is_asked(client: Slipway, deployment: str) -> bool:
    """Whether somebody waits for an answer of the one replica: it has a connection beside that of probes."""
    replicas = (await client.deployment(deployment)).as_json()["replica_list"]
    [port] = [each["address"].rpartition(":")[2] for each in replicas if each["state"] == "ready"]
    return bool(await run("ss", "-Htn", "state", "established", f"( sport = :{port} )"))


async def test_without_a_deployer_a_read_says_what_is_overdue_and_by_whom(
    platform: RunningPlatform, client: Slipway, trouble: Path
) -> None:
    environment = {"TROUBLE": str(trouble / "of-one"), "SLOW_START_SECONDS": "1000"}
    config = Configuration(environment=environment, deadline_seconds=2)
    serves = (await client.deployment("of-one")).live_release

    accepted = await client.redeploy("of-one", config=config)
    await eventually(lambda: is_starting(client))
    with frozen(platform, "deployer"):
        overdue = await eventually(lambda: overdue_of(client), timeout=20)
        transient = await state_of(client, "of-one")
    operation = await ended(client, accepted)

    assert (overdue["owed_by"], transient) == ("deployer", "DEPLOYING")
    assert operation.state == "FAILED"
    after = await client.deployment("of-one")
    assert (after.state, after.live_release, after.overdue) == ("DEPLOYED", serves, None)


async def is_starting(client: Slipway) -> bool:
    release = (await client.deployment("of-one")).next
    return release is not None and release.state == "STARTING"


async def overdue_of(client: Slipway) -> dict[str, Any] | None:
    found = (await client.deployment("of-one")).as_json()["overdue"]
    return dict(found) if found else None


async def test_a_crash_loop_is_told_with_the_last_exit_and_taken_back(
    platform: RunningPlatform, client: Slipway, trouble: Path
) -> None:
    (trouble / "looping").touch()
    if await state_of(client, "looping") == "DEPLOYED":
        await ask(platform, "looping", "kill")
    failed = await becomes(client, "looping", "FAILED", within=60)

    (trouble / "looping").unlink()
    recovered = await becomes(client, "looping", "DEPLOYED", within=90)

    assert failed["failure"]["reason"] == "CrashLoop"
    assert failed["failure"]["exit_code"] == 7
    assert "out of order" in failed["failure"]["log_tail"]
    assert failed["failure"]["hint"]
    assert "out of order" in platform.slipway("logs", "looping", "--tail", "1000").stdout
    assert (recovered["failure"], recovered["crash_loop"]) == (None, None)


async def test_a_replica_that_hangs_is_seen_and_replaced(platform: RunningPlatform, client: Slipway) -> None:
    async def unready() -> list[str]:
        seen = await replica_states(client, "hanging", after=0)
        return [detail for state, detail in seen if state == "unready" and detail and "answered" in detail]

    details = await eventually(unready, timeout=60)
    shown = await becomes(client, "hanging", "DEPLOYED", within=90)

    assert "accepts connections" in details[0]
    assert shown["failure"] is None
    await comes_to_answer(f"{platform.gateway_url}/default/hanging/misbehave", 200)


async def test_without_a_monitor_the_state_is_unknown_and_known_again_with_one(
    platform: RunningPlatform, client: Slipway
) -> None:
    with frozen(platform, "monitor"):
        async with calling(f"{platform.gateway_url}/default/of-two/misbehave") as probe:
            await becomes(client, "of-two", "UNKNOWN", within=60)
    await becomes(client, "of-two", "DEPLOYED", within=60)

    assert probe.failures == []
