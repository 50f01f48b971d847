"""Writes a random but valid walk of several deployments into a log; a seed gives the same log again."""

import random
from collections.abc import Iterator
from typing import Any

from log_script import DIGEST, GROUP, LATER, Script, make_failure, make_version, make_workload
from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import (
    Build,
    Cancel,
    CancelBuild,
    Configure,
    Delete,
    Deploy,
    Pin,
    Purge,
    Redeploy,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
)
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import Desired
from slipway_contracts.events import (
    BuildCanceled,
    BuildFailed,
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    BuildSucceeded,
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseCanceled,
    ReleaseDraining,
    ReleaseFailed,
    ReleaseLive,
    ReleasePinned,
    ReleaseReady,
    ReleaseRetired,
    ReleaseSuperseded,
    VersionHidden,
    VersionRemoved,
    WorkloadUnknown,
)
from slipway_contracts.failure import Stage
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    GroupConfigured,
    InstanceTypeConfigured,
    KeyConfigured,
    RoleGrant,
    SecretConfigured,
    TargetAnnounced,
    TargetFound,
    TargetLost,
)
from slipway_contracts.lifecycle import (
    BUILD_MOVES,
    OPERATION_MOVES,
    RELEASE_MOVES,
    BuildState,
    OperationState,
    ReleaseState,
    Wanted,
)
from slipway_contracts.names import derived_id
from slipway_contracts.replica import ReplicaState
from slipway_contracts.size import Size
from slipway_contracts.traffic import ReleaseRequest, TrafficShare


class Walk(Script):
    """A walk over several deployments in which every record moves only as its table allows."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)  # noqa: S311
        self._operations: dict[str, dict[str, OperationState]] = {}
        self._builds: dict[str, dict[str, BuildState]] = {}
        self._releases: dict[str, dict[int, ReleaseState]] = {}
        self._makers: dict[tuple[str, int], str] = {}
        self._transitions: dict[tuple[str, str], int] = {}

    def run(self, steps: int) -> None:
        """Take this many steps."""
        actions = (
            (self._command, 3), (self._move_release, 8), (self._move_operation, 4), (self._move_build, 5),
            (self._decide, 4), (self._observe, 6), (self._configure, 1), (self._say_of_a_version, 1),
        )  # fmt: skip
        choices, weights = zip(*actions, strict=True)
        for _ in range(steps):
            self.deployment = self._random.choice(("digits", "words", "faces"))
            self._random.choices(choices, weights)[0]()

    def _known(self, records: dict[str, dict[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        yield from records.setdefault(self.deployment, {}).items()

    def _command(self) -> None:
        kind = self._random.choice((Deploy, Redeploy, Start, Build, CancelBuild, None))
        message: AnyMessage
        if kind in {Deploy, Redeploy, Start}:
            version = make_version(self._random.randint(1, 9), deployment=self.deployment)
            message = kind(**self.asker, request=ReleaseRequest(version=version))
        elif kind is Build:
            message = Build(**self.asker, source=DIGEST, deadline_at=LATER)
        elif kind is CancelBuild:
            message = CancelBuild(**self.asker, build=derived_id("any"))
        else:
            message = self._random.choice(self._simple_commands())
        identifier = self.say(message)
        self._operations.setdefault(self.deployment, {})[identifier] = OperationState.PENDING
        if kind is Build:
            self._builds.setdefault(self.deployment, {})[identifier] = BuildState.QUEUED
        if kind in {Deploy, Redeploy, Start}:
            number = len(self._releases.setdefault(self.deployment, {})) + 1
            self._releases[self.deployment][number] = ReleaseState.PENDING
            self._makers[self.deployment, number] = identifier
            self.created(identifier, number)

    def _simple_commands(self) -> tuple[AnyMessage, ...]:
        share = TrafficShare(release=1, weight=100)
        settings = DeploymentSettings(description=f"number {len(self.messages)}", metadata={"team": "blue"})
        return (
            Stop(**self.asker),
            Delete(**self.asker, level=self._random.choice(("hide", "unload"))),
            Undelete(**self.asker),
            Purge(**self.asker),
            Cancel(**self.asker),
            Configure(**self.asker, settings=settings),
            SetAlias(**self.asker, alias="staging", shares=(share,)),
            RemoveAlias(**self.asker, alias="staging"),
            Pin(**self.asker, release=1, pinned=True),
        )

    def _move_release(self) -> None:  # noqa: C901
        open_moves = [(n, s) for n, s in self._known(self._releases) if RELEASE_MOVES[s]]
        if not open_moves:
            return
        number, state = self._random.choice(open_moves)
        state = self._random.choice(sorted(RELEASE_MOVES[state]))
        self._releases[self.deployment][number] = state
        about: dict[str, Any] = {**self.owner, "release": number}
        match state:
            case ReleaseState.STARTING:
                self.starting(number)
            case ReleaseState.READY:
                self.say(ReleaseReady(**about))
            case ReleaseState.LIVE:
                maker = self._random.choice((self._makers[self.deployment, number], None))
                self.shifted(maker, TrafficShare(release=number, weight=100))
                self.say(ReleaseLive(**about, seconds=1.0))
                self.say(ReleasePinned(**about, pinned=self._random.random() < 0.5, by="ada"))
            case ReleaseState.DRAINING:
                self.say(ReleaseDraining(**about))
            case ReleaseState.RETIRED:
                self.say(ReleaseRetired(**about))
            case ReleaseState.FAILED:
                self.say(ReleaseFailed(**about, failure=make_failure()))
            case ReleaseState.SUPERSEDED:
                self.say(ReleaseSuperseded(**about, by_operation=derived_id("newer")))
            case ReleaseState.CANCELED:
                self.say(ReleaseCanceled(**about, by="ada"))
            case ReleaseState.PENDING:
                raise AssertionError("no move leads to PENDING")

    def _move_operation(self) -> None:
        open_moves = [(o, s) for o, s in self._known(self._operations) if OPERATION_MOVES[s]]
        if not open_moves:
            return
        operation, state = self._random.choice(open_moves)
        state = self._random.choice(sorted(OPERATION_MOVES[state]))
        self._operations[self.deployment][operation] = state
        about: dict[str, Any] = {**self.owner, "operation": operation}
        match state:
            case OperationState.RUNNING:
                self.say(OperationStarted(**about))
            case OperationState.SUCCEEDED:
                self.say(OperationSucceeded(**about))
            case OperationState.FAILED:
                self.say(OperationFailed(**about, failure=make_failure()))
            case OperationState.SUPERSEDED:
                self.say(OperationSuperseded(**about, by_operation=derived_id("newer")))
            case OperationState.CANCELED:
                self.say(OperationCanceled(**about, by="ada"))
            case OperationState.PENDING:
                raise AssertionError("no move leads to PENDING")

    def _move_build(self) -> None:
        open_moves = [(b, s) for b, s in self._known(self._builds) if BUILD_MOVES[s]]
        if not open_moves:
            return
        build, state = self._random.choice(open_moves)
        about: dict[str, Any] = {**self.owner, "build": build}
        if state is BuildState.RUNNING and self._random.random() < 0.7:
            step = self._random.choice(("unpack", "resolve", "layers"))
            done = self._random.random() < 0.5
            self.say(
                BuildStepFinished(**about, step=step, seconds=0.25)
                if done
                else BuildStepStarted(**about, step=step)
            )
            return
        state = self._random.choice(sorted(BUILD_MOVES[state]))
        self._builds[self.deployment][build] = state
        match state:
            case BuildState.RUNNING:
                self.say(BuildStarted(**about, source=DIGEST, by="builder-1", deadline_at=LATER))
            case BuildState.SUCCEEDED:
                number = len(self.messages)
                version = make_version(number, deployment=self.deployment, id=build, build=build)
                self.say(BuildSucceeded(**about, version=version, seconds=1.0))
            case BuildState.FAILED:
                self.say(BuildFailed(**about, failure=make_failure(stage=Stage.BUILD)))
            case BuildState.CANCELED:
                self.say(BuildCanceled(**about, by="ada"))
            case BuildState.QUEUED:
                raise AssertionError("no move leads to QUEUED")

    def _decide(self) -> None:
        kept = [(n, s) for n, s in self._known(self._releases) if s is not ReleaseState.PENDING]
        if not kept or self._random.random() < 0.2:
            ended = self._random.random() < 0.7
            wanted = self._random.choice(list(Wanted))
            record = Desired(**self.owner, position=len(self.messages), wanted=wanted, ended=ended)
            self.say(record)
            return
        number, state = self._random.choice(kept)
        self.desired(self._makers[self.deployment, number], number, state)

    def _observe(self) -> None:
        release = self._random.randint(1, 4)
        replica = self._random.choice(("0-1", "0-2", "1-1"))
        key = (make_workload(release, deployment=self.deployment).id, replica)
        transition = self._transitions.get(key, 0) + self._random.choice((1, 1, 1, 0))
        self._transitions[key] = max(1, transition)
        state = self._random.choice(list(ReplicaState))
        exited = {"exit_code": 1, "log_tail": ("bang",)} if state is ReplicaState.EXITED else {}
        self.replica(state, self._transitions[key], release, replica=replica, **exited)
        if self._random.random() < 0.1:
            self.say(WorkloadUnknown(**self.owner, workload=key[0], target="local"))

    def _say_of_a_version(self) -> None:
        built = [build for build, state in self._known(self._builds) if state is BuildState.SUCCEEDED]
        if not built:
            return
        version = self._random.choice(built)
        removed = VersionRemoved(**self.owner, version=version, label="any", leftovers=("one layer",))
        hidden = VersionHidden(**self.owner, version=version, hidden=self._random.random() < 0.5, by="ada")
        self.say(self._random.choice((removed, hidden)))

    def _configure(self) -> None:
        name = self._random.choice(("local", "farm"))
        self.say(
            self._random.choice(
                (
                    TargetAnnounced(target=name, engine="supervisor", epoch=3, cpu=2.0, memory_bytes=1 << 30),
                    TargetLost(target=name, since=LATER),
                    TargetFound(target=name),
                    GroupConfigured(group=GROUP, description=f"number {len(self.messages)}"),
                    KeyConfigured(
                        key=derived_id("key"),
                        digest=DIGEST,
                        user="ada",
                        grants=(RoleGrant(group="*", role="admin"),),
                    ),
                    InstanceTypeConfigured(name="small", size=Size(gpu=1), by="ada"),
                    SecretConfigured(group=GROUP, secret="hf", version=len(self.messages) + 1, by="ada"),  # noqa: S106
                    ArtifactAdopted(group=GROUP, digest=DIGEST, name="m.bin", size_bytes=7, by="ada"),
                    ArtifactHidden(group=GROUP, digest=DIGEST, hidden=True, by="ada"),
                )
            )
        )
