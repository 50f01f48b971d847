"""A random walk through everything that a team may ask for, with repeats, races and kills in between."""

import uuid
from typing import Any, ClassVar, Final

from e2e.lifecycle_world import GROUP, LABELS, Answer, LifecycleWorld
from e2e.quiescence import projection_equals_the_log, settle
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

_NAMES: Final = ("a", "b", "c")
_REFUSALS: Final = frozenset({400, 403, 404, 409, 410, 412, 422})
deployments = st.sampled_from(_NAMES)
small = st.integers(1, 3)
aliases = st.sampled_from(("live", "staging", "canary"))
versions = st.sampled_from((*LABELS[:2], *LABELS))
services = st.sampled_from(("deployer", "monitor", "gateway", "projector"))


class LifecycleMachine(RuleBasedStateMachine):
    """Asks and hurts without waiting; at the end everything has to come to rest, and to agree.

    Hypothesis begins with the simplest walks, the same for every seed: they are drawn, but not walked.
    """

    world: ClassVar[LifecycleWorld]
    rehearsals: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.rehearses = LifecycleMachine.rehearsals > 0
        LifecycleMachine.rehearsals -= 1
        self.prefix = uuid.uuid4().hex[:8]
        self.operations: list[str] = []
        self.last: tuple[str, str, Any, str, Answer] | None = None
        self.count = 0

    def name(self, deployment: str) -> str:
        return f"{deployment}-{self.prefix}"

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        if self.rehearses:
            return Answer(202, {})
        key = str(uuid.uuid4())
        told = self.world.ask(method, path, body, key=key)
        assert told.status == 202 or told.status in _REFUSALS, told
        self.last = (method, path, body, key, told)
        if told.operation is not None:
            self.operations.append(told.operation)
        return told

    def of(self, deployment: str, *parts: str) -> str:
        return self.world.of(self.name(deployment), *parts)

    def greeting(self) -> dict[str, str]:
        self.count += 1
        return {"GREETING": f"{self.prefix}-{self.count}"}

    @initialize()
    def build(self) -> None:
        if not self.rehearses:
            for deployment in _NAMES:
                self.world.prepare_versions(self.name(deployment))
                self.create(deployment, LABELS[0], 1)

    @rule(deployment=deployments, version=versions, replicas=small)
    def create(self, deployment: str, version: str, replicas: int) -> None:
        body = {"id": self.name(deployment), "version": version, "replicas": replicas}
        self.ask(
            "POST", f"/v1/groups/{GROUP}/deployments", body | {"environment": self.greeting()} | _PATIENCE
        )

    @rule(deployment=deployments, version=versions, replicas=small, alias=aliases)
    def deploy(self, deployment: str, version: str, replicas: int, alias: str) -> None:
        body = {"version": version, "replicas": replicas, "alias": alias, "environment": self.greeting()}
        self.ask("POST", self.of(deployment, "deploy"), body | _PATIENCE)

    @rule(deployment=deployments, in_place=st.booleans())
    def redeploy(self, deployment: str, *, in_place: bool) -> None:
        strategy = "in-place" if in_place else "surge"
        body = {"environment": self.greeting(), "strategy": strategy}
        self.ask("POST", self.of(deployment, "redeploy"), body)

    @rule(deployment=deployments, replicas=small)
    def scale(self, deployment: str, replicas: int) -> None:
        self.ask("POST", self.of(deployment, "scale"), {"replicas": replicas})

    @rule(deployment=deployments)
    def restart(self, deployment: str) -> None:
        self.ask("POST", self.of(deployment, "restart"), {})

    @rule(deployment=deployments, alias=aliases)
    def rollback(self, deployment: str, alias: str) -> None:
        self.ask("POST", self.of(deployment, "rollback"), {"alias": alias})

    @rule(deployment=deployments, alias=aliases, one=small, two=small, weight=st.integers(1, 99))
    def set_alias(self, deployment: str, alias: str, one: int, two: int, weight: int) -> None:
        shares = [{"release": one, "weight": 100}]
        if one != two:
            shares = [{"release": one, "weight": weight}, {"release": two, "weight": 100 - weight}]
        self.ask("PUT", self.of(deployment, "aliases", alias), {"shares": shares})

    @rule(deployment=deployments, alias=aliases)
    def remove_alias(self, deployment: str, alias: str) -> None:
        self.ask("DELETE", self.of(deployment, "aliases", alias))

    @rule(deployment=deployments, release=small, pinned=st.booleans())
    def pin(self, deployment: str, release: int, *, pinned: bool) -> None:
        self.ask("PUT" if pinned else "DELETE", self.of(deployment, "releases", str(release), "pin"))

    @rule(deployment=deployments, number=small)
    def rename(self, deployment: str, number: int) -> None:
        name = f"{self.name(deployment)}-{number}"
        self.ask("PATCH", self.of(deployment), {"name": name, "rename_grace_seconds": 1})

    @rule(deployment=deployments, verb=st.sampled_from(("stop", "start", "cancel", "undelete")))
    def change(self, deployment: str, verb: str) -> None:
        self.ask("POST", self.of(deployment, verb))

    @rule(deployment=deployments, purge=st.booleans())
    def delete(self, deployment: str, *, purge: bool) -> None:
        if purge:
            self.ask("POST", self.of(deployment, "purge"))
        else:
            self.ask("DELETE", self.of(deployment))

    @rule()
    def repeat(self) -> None:
        """The same request again is the same operation, whatever happened since."""
        if self.last is None or self.last[4].operation is None:
            return
        method, path, body, key, first = self.last
        again = self.world.ask(method, path, body, key=key)
        assert again.operation == first.operation, (first, again)

    @rule(service=services)
    def kill_service(self, service: str) -> None:
        if not self.rehearses:
            self.world.kill_process(service)

    @rule(deployment=deployments, choice=st.integers(0, 5))
    def kill_replica(self, deployment: str, choice: int) -> None:
        if not self.rehearses:
            self.world.kill_replica(self.name(deployment), choice)

    @rule(deployment=deployments)
    def rest(self, deployment: str) -> None:
        """Let the last command end, so that not everything supersedes everything."""
        if self.operations and self.last and self.name(deployment) in self.last[1]:
            self.world.ended(self.operations[-1])

    def teardown(self) -> None:
        if self.rehearses:
            return
        names = tuple(self.name(deployment) for deployment in _NAMES)
        print(f"walk {self.prefix}: {len(self.operations)} commands accepted")  # noqa: T201 - shown on failure
        settle(self.world, names, self.operations)
        # What the purge below leaves in the tables is compared at the end of the next walk.
        projection_equals_the_log(self.world)
        ends = [self.world.ask("POST", self.of(deployment, "purge")) for deployment in _NAMES]
        settle(self.world, names, [told.operation for told in ends if told.operation is not None])
        assert not [key for key in self.world.running() if key[0] in names]


_PATIENCE: Final = {"deadline_seconds": 60}
