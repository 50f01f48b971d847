"""Each consumer dies at each boundary of each command: one outcome, and no effect twice."""

import json
import sys
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import failpoints
import pytest
from e2e.lifecycle_world import Answer, LifecycleWorld
from e2e.running_platform import RunningPlatform
from slipway_contracts.replica import ReplicaFact, ReplicaState
from slipway_contracts.topology import BUILDER, DEPLOYER

_FAILPOINTS: Final = Path(failpoints.__file__)
_SLEEPER: Final = {
    "slipway.yaml": "endpoints:\n  - name: greet\n    server-command: sleep 1000\n    health: /\n"
}
_ENDS: Final = ("operation.succeeded.v1", "operation.failed.v1", "operation.superseded.v1")
_ACK_WAIT: Final = timedelta(seconds=3)
"""What a dead consumer held comes again this late; one that lives says every 2 s that it does."""
_WITHOUT_EFFECT: Final = {"undelete"}
"""Commands after which an engine has nothing to be told."""


class Mined:
    """A platform whose deployer, builder and projector can be told where to die."""

    def __init__(self, world: LifecycleWorld, folder: Path) -> None:
        self.world = world
        self._folder = folder

    def arm(self, kind: str, boundary: str, deployment: str) -> None:
        (self._folder / failpoints.WENT_OFF).unlink(missing_ok=True)
        order = {"type": kind, "boundary": boundary, "deployment": deployment}
        new = self._folder / "new.json"
        new.write_text(json.dumps(order))
        new.rename(self._folder / failpoints.ARMED)

    def assert_goes_off(self) -> None:
        """A command's operation may end before its consumer comes to the boundary, as before the ack."""
        went_off = self._folder / failpoints.WENT_OFF
        self.world.wait(went_off.exists, "the consumer did not die")

    def assert_never_goes_off(self) -> None:
        """Take the failpoint away, for a boundary that this command has not."""
        assert not (self._folder / failpoints.WENT_OFF).exists()
        (self._folder / failpoints.ARMED).unlink()


def mine(platform: RunningPlatform, folder: Path, services: tuple[str, ...]) -> None:
    """Let the supervisor run these services with failpoints from now on."""
    for service in services:
        specification = platform.state / "programs" / f"{service}.json"
        told = json.loads(specification.read_text())
        told["command"] = [sys.executable, str(_FAILPOINTS), f"slipway_{service}.main", str(folder)]
        specification.write_text(json.dumps(told))
        platform.kill9(service)


@pytest.fixture(scope="module")
def mined() -> Iterator[Mined]:
    """A platform of this module alone."""
    with tempfile.TemporaryDirectory(prefix="slipway-mined-") as name:
        folder = Path(name) / "failpoints"
        folder.mkdir()
        platform = RunningPlatform(state=Path(name) / "state")
        platform.up()
        world = LifecycleWorld(platform, group="default")
        try:
            world.run(platform.ready())
            mine(platform, folder, ("deployer", "builder", "projector"))
            for consumer in (DEPLOYER, BUILDER):
                world.shorten_ack_wait(consumer, _ACK_WAIT)
            world.run(platform.ready())
            yield Mined(world, folder)
        finally:
            world.close()
            platform.down()


@dataclass(frozen=True)
class Case:
    """A command, and what a deployment has to be like before it."""

    before: Callable[[LifecycleWorld, str], object]
    ask: Callable[[LifecycleWorld, str], Answer]


def running(world: LifecycleWorld, name: str) -> int:
    """Bring a deployment to where it serves; return its live release."""
    told = world.ask("GET", world.of(name))
    if told.status == 404 or told.body["state"] == "PURGED":
        body = {"id": name, "source": world.upload("good-1"), "environment": greeting()}
        done(world, world.ask("POST", world.of(""), body))
    elif told.body["state"] == "DELETED":
        done(world, world.ask("POST", world.of(name, "undelete")))
    if state_of(world, name) == "STOPPED":
        done(world, world.ask("POST", world.of(name, "start")))
    return int(world.ask("GET", world.of(name)).body["live_release"])


def stopped(world: LifecycleWorld, name: str) -> None:
    running(world, name)
    done(world, world.ask("POST", world.of(name, "stop")))


def deleted(world: LifecycleWorld, name: str) -> None:
    running(world, name)
    done(world, world.ask("DELETE", world.of(name)))


def starting(world: LifecycleWorld, name: str) -> None:
    """Leave a release on its way that never becomes ready."""
    running(world, name)
    told = world.ask("POST", world.of(name, "deploy"), {"source": world.upload_files("sleeper", _SLEEPER)})
    assert told.status == 202, told
    world.wait(
        lambda: any(each.state == "STARTING" for each in world.releases(name)),
        "the release does not start",
    )


def aliased(world: LifecycleWorld, name: str) -> None:
    done(world, set_alias(world, name))


def set_alias(world: LifecycleWorld, name: str) -> Answer:
    release = running(world, name)
    return world.ask("PUT", world.of(name, "aliases", "staging"), {"release": release})


def unaliased(world: LifecycleWorld, name: str) -> None:
    running(world, name)
    told = world.ask("DELETE", world.of(name, "aliases", "staging"))
    if told.status == 202:
        done(world, told)


def greeting() -> dict[str, str]:
    return {"GREETING": uuid.uuid4().hex}


def state_of(world: LifecycleWorld, name: str) -> str:
    return str(world.ask("GET", world.of(name)).body["state"])


def done(world: LifecycleWorld, told: Answer) -> None:
    assert told.status == 202, told
    ended = world.ended(str(told.operation))
    assert ended["state"] == "SUCCEEDED", ended
    # A read after this one has to know of it.
    world.ask("GET", f"/v1/operations/{told.operation}?at_least={world.end()}")


def post(verb: str, body: Callable[[], Any] = lambda: None) -> Callable[[LifecycleWorld, str], Answer]:
    return lambda world, name: world.ask("POST", world.of(name, verb), body())


COMMANDS: Final[dict[str, Case]] = {
    "deploy": Case(
        running,
        lambda world, name: world.ask(
            "POST", world.of(name, "deploy"), {"version": world.newest(name), "environment": greeting()}
        ),
    ),
    "redeploy": Case(running, post("redeploy", lambda: {"environment": greeting()})),
    "stop": Case(running, post("stop")),
    "start": Case(stopped, post("start")),
    "delete": Case(running, lambda world, name: world.ask("DELETE", world.of(name))),
    "undelete": Case(deleted, post("undelete")),
    "purge": Case(running, post("purge")),
    "cancel": Case(starting, post("cancel")),
    "configure": Case(
        running,
        lambda world, name: world.ask("PATCH", world.of(name), {"description": uuid.uuid4().hex}),
    ),
    "set-alias": Case(unaliased, set_alias),
    "remove-alias": Case(
        aliased, lambda world, name: world.ask("DELETE", world.of(name, "aliases", "staging"))
    ),
    "pin": Case(
        running,
        lambda world, name: world.ask("PUT", world.of(name, "releases", str(running(world, name)), "pin")),
    ),
}


@pytest.mark.parametrize("boundary", failpoints.BOUNDARIES)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_deployer_that_dies_at_a_boundary_decides_once(mined: Mined, command: str, boundary: str) -> None:
    world, name = mined.world, f"mined-{command}"
    COMMANDS[command].before(world, name)
    end = world.end()

    mined.arm(f"command.{command}.v1", boundary, name)
    told = COMMANDS[command].ask(world, name)
    assert told.status == 202, told
    ended = world.ended(str(told.operation))

    assert ended["state"] == "SUCCEEDED", ended
    if command in _WITHOUT_EFFECT and boundary == failpoints.AFTER_EFFECT:
        mined.assert_never_goes_off()
    else:
        mined.assert_goes_off()
    assert_told_once(world, name, str(told.operation), after=end)
    assert_nothing_runs_twice(world, name)


@pytest.mark.parametrize("boundary", failpoints.BOUNDARIES)
def test_a_builder_that_dies_at_a_boundary_makes_one_version(mined: Mined, boundary: str) -> None:
    world, name = mined.world, f"mined-build-{boundary}"
    source = world.upload_files(boundary, {**_SLEEPER, "which": boundary})
    end = world.end()

    mined.arm("command.build.v1", boundary, name)
    told = world.ask("POST", world.of(name, "builds"), {"source": source})
    assert told.status == 202, told
    ended = world.ended(str(told.operation))

    assert ended["state"] == "SUCCEEDED", ended
    mined.assert_goes_off()
    kinds = Counter(each.type for each in world.messages(name, after=end))
    assert kinds["build.succeeded.v1"] == 1
    assert_told_once(world, name, str(told.operation), after=end)


@pytest.mark.parametrize("boundary", [failpoints.BEFORE_BATCH, failpoints.AFTER_BATCH])
def test_a_projector_that_dies_around_its_transaction_folds_once(mined: Mined, boundary: str) -> None:
    world, name = mined.world, f"mined-fold-{boundary}"
    running(world, name)

    mined.arm("command.redeploy.v1", boundary, name)
    done(world, world.ask("POST", world.of(name, "redeploy"), {"environment": greeting()}))

    mined.assert_goes_off()
    ran = world.platform.slipway("projections", "verify")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def assert_told_once(world: LifecycleWorld, name: str, operation: str, *, after: int) -> None:
    """Each operation ends once, and no release does anything twice within one command."""
    messages = world.messages(name, after=after)
    ends = [each for each in messages if each.type in _ENDS and getattr(each, "operation", "") == operation]
    assert len(ends) == 1, ends
    told = Counter(
        (each.type, getattr(each, "release", None)) for each in messages if each.type.startswith("release.")
    )
    assert all(count == 1 for count in told.values()), told


def assert_nothing_runs_twice(world: LifecycleWorld, name: str) -> None:
    """The engine runs what is desired, each replica as one process that was started once."""

    def as_desired() -> bool:
        # Read each time: the release that served before may be leaving still.
        wanted = {
            (name, each.workload.id, replica)
            for each in world.desired()[name].workloads
            for replica in each.workload.replica_ids
        }
        assert {key for key in world.running() if key[0] == name} == wanted
        return True

    world.wait(as_desired, "the engine runs something else than desired")
    pids: dict[tuple[str, str], set[int]] = {}
    for each in world.messages(name, after=0):
        if isinstance(each, ReplicaFact) and each.pid and each.state is not ReplicaState.GONE:
            pids.setdefault((each.workload, each.replica), set()).add(each.pid)
    assert all(len(found) == 1 for found in pids.values()), pids
