"""What must be so when nothing is under way: the log, Postgres, the engine, Envoy and the quota agree."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from e2e.lifecycle_world import GROUP, LifecycleWorld
from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.quota import Charge
from slipway_contracts.replica import ReplicaState

RESTING = frozenset({"NEW", "DEPLOYED", "FAILED", "STOPPED", "DELETED", "PURGED"})
_STOPPED = 410
_NOT_READY = 503


def settle(world: LifecycleWorld, deployments: tuple[str, ...], operations: list[str]) -> None:
    """Wait until everything rests, then check every promise about rest."""
    for operation in operations:
        world.ended(operation)
    for deployment in deployments:
        world.wait(lambda d=deployment: _resting(world, d), f"{deployment} does not come to rest")  # type: ignore[misc]
    world.wait(lambda: _engine_equals_desired(world), "the engine runs something else than desired")
    world.wait(lambda: _routes_lead_to_ready_replicas(world), "a route leads astray")
    world.wait(lambda: _quota_is_what_runs(world), "the quota counts something else than what runs")
    _no_leftovers(world)


def _resting(world: LifecycleWorld, deployment: str) -> bool:
    told = world.ask("GET", world.of(deployment))
    if told.status == httpx.codes.NOT_FOUND:
        return True
    assert told.body["state"] in RESTING, told.body["state"]
    desired = world.desired().get(deployment)
    assert desired is None or not (desired.moves or desired.unfinished or desired.removed), desired
    return True


def _wanted(desired: Desired) -> set[tuple[str, str, str]]:
    return {
        (desired.deployment, each.workload.id, replica)
        for each in desired.workloads
        for replica in each.workload.replica_ids
    }


def _engine_equals_desired(world: LifecycleWorld) -> bool:
    wanted = {key for desired in world.desired().values() for key in _wanted(desired)}
    running = world.running()
    assert set(running) == wanted, (sorted(running), sorted(wanted))
    facts = world.facts()
    for key in wanted:
        assert facts[key].state is running[key].state, (facts[key], running[key])
    return True


def _routes_lead_to_ready_replicas(world: LifecycleWorld) -> bool:
    """Call every alias of everything that runs: what is ready answers, with the answer of its release."""
    facts = world.facts()
    for desired in world.desired().values():
        base = f"{world.gateway_url}/{GROUP}/{desired.name}"
        if desired.wanted is Wanted.STOPPED:
            assert httpx.get(f"{base}/greet").status_code == _STOPPED
        for route in desired.routes:
            releases = [desired.release(share.release) for share in route.shares]
            ready = {
                str(release.config.environment["GREETING"])
                for release in releases
                if release is not None
                for workload in release.workloads.values()
                if _some_ready(desired, workload, facts)
            }
            said = httpx.get(f"{base}/{route.alias}/greet")
            assert said.text in ready or (said.status_code == _NOT_READY and not ready), (said, ready)
    return True


def _some_ready(desired: Desired, workload: str, facts: dict[tuple[str, str, str], Any]) -> bool:
    known = desired.workload(workload)
    keys = [(desired.deployment, workload, replica) for replica in known.serving_replicas] if known else []
    return any(key in facts and facts[key].state is ReplicaState.READY for key in keys)


def _quota_is_what_runs(world: LifecycleWorld) -> bool:
    total = Charge()
    for desired in world.desired().values():
        gone = desired.wanted in {Wanted.DELETED, Wanted.PURGED} and desired.ended
        total = total.plus(Charge(deployments=0 if gone else 1))
        for each in desired.workloads:
            size, count = each.workload.size, len(each.workload.slots)
            total = total.plus(
                Charge(replicas=count, cpu=size.cpu * count, memory_bytes=size.memory_bytes * count)
            )
    use = world.ask("GET", f"/v1/groups/{GROUP}").body["use"]
    assert use == total.model_dump(mode="json"), (use, total)
    return True


def projection_equals_the_log(world: LifecycleWorld) -> None:
    ran = world.platform.slipway("projections", "verify", timeout=240)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _no_leftovers(world: LifecycleWorld) -> None:
    """No program file, process, route or lease is left of what is gone."""
    wanted = {key for desired in world.everything_desired() for key in _wanted(desired)}
    programs = list((world.platform.state / "engine" / "programs").glob("*.conf"))
    assert len(programs) == len(wanted), (programs, wanted)
    assert all(any(f"-{key[1]}-{key[2]}-" in path.name for key in wanted) for path in programs), programs
    assert len(_launchers(world)) == len(wanted), (_launchers(world), wanted)
    assert world.lease_names() == {"target.local", "notifier", "deployers"}
    routes = json.loads((world.platform.state / "envoy" / "xds" / "routes.json").read_text())
    text = json.dumps(routes)
    for desired in world.desired().values():
        if desired.wanted in {Wanted.DELETED, Wanted.PURGED}:
            assert f'"/{GROUP}/{desired.name}"' not in text


def _launchers(world: LifecycleWorld) -> list[str]:
    """Return the command lines of the processes that hold a replica of this platform."""
    folder = str(world.platform.state / "engine")
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if "launcher" in line and folder in line:
                found.append(line)
    return found
