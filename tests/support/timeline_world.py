"""Builders of what follows a command in the log, for tests of timelines."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from log_script import DIGEST, START, make_version
from slipway_api.answers.timeline_views import Timeline
from slipway_api.reading.timeline import TimedMessage, timeline
from slipway_contracts.codec import AnyMessage
from slipway_contracts.events import (
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    OperationStarted,
    OperationSucceeded,
    ReleaseCreated,
    ReleaseDraining,
    ReleaseLive,
    ReleaseReady,
    ReleaseStarting,
    TrafficShifted,
)
from slipway_contracts.lifecycle import OperationState
from slipway_contracts.names import derived_id
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.replica import ReplicaFact, ReplicaState, SmokeResult
from slipway_contracts.traffic import TrafficShare
from slipway_contracts.version import SmokeTest, Version
from slipway_store.rows import OperationRow

OWNER: dict[str, Any] = {"group": "default", "deployment": "digits"}
OPERATION, OTHER, BUILD = (derived_id("timeline", each) for each in ("one", "other", "build"))
WORKLOAD = "0123456789abcdef"
VERSION = make_version()
SHARES = (TrafficShare(release=2, weight=100),)
SMOKE = SmokeResult(passed=True, message="GET / answered 200.", seconds=0.1, status=200)


def version_with_a_test() -> Version:
    (endpoint,) = VERSION.endpoints
    return VERSION.model_copy(
        update={"endpoints": (endpoint.model_copy(update={"smoke_test": SmokeTest(path="/")}),)}
    )


def operation(kind: str = "deploy", *, build: str | None = None, identifier: str = OPERATION) -> OperationRow:
    return OperationRow(
        **OWNER,
        id=identifier,
        kind=kind,
        state=OperationState.PENDING,
        request_digest="",
        created_at=START,
        created_by="ada",
        build=build,
        accepted=1,
        sequence=1,
    )


def told(seconds: float, message: AnyMessage, by: str | None = OPERATION) -> TimedMessage:
    return TimedMessage(time=START + timedelta(seconds=seconds), correlation_id=by, message=message)


def replica(seconds: float, name: str, state: ReplicaState, smoke: SmokeResult | None = None) -> TimedMessage:
    at = START + timedelta(seconds=seconds)
    fact = ReplicaFact(
        **OWNER,
        workload=WORKLOAD,
        replica=name,
        endpoint="predict",
        target="local",
        state=state,
        transition=1,
        epoch=1,
        at=at,
        smoke=smoke,
    )
    return told(seconds, fact, None)


def starting(seconds: float, version: Version = VERSION, replicas: int = 1) -> list[TimedMessage]:
    """What a deployer says when it takes a command and wants the replicas of release 2."""
    created = ReleaseCreated(
        **OWNER,
        release=2,
        operation=OPERATION,
        cause="deploy",
        version=version,
        config=ReleaseConfig(replicas=replicas),
        by="ada",
    )
    wants = ReleaseStarting(
        **OWNER, release=2, version=version, workloads={"predict": WORKLOAD}, deadline_at=START
    )
    started = OperationStarted(**OWNER, operation=OPERATION)
    return [told(seconds, each) for each in (started, created, wants)]


def live(ready: float, confirmed: float) -> list[TimedMessage]:
    """What it says when they are ready, and when the gateways have confirmed; release 1 is replaced."""
    return [
        told(ready, ReleaseReady(**OWNER, release=2)),
        told(ready, TrafficShifted(**OWNER, shares=SHARES)),
        told(confirmed, ReleaseLive(**OWNER, release=2, seconds=confirmed)),
        told(confirmed, OperationSucceeded(**OWNER, operation=OPERATION)),
        told(confirmed, ReleaseDraining(**OWNER, release=1), OTHER),
    ]


def of_build(*messages: tuple[float, AnyMessage]) -> list[TimedMessage]:
    return [told(seconds, message) for seconds, message in messages]


BEGUN = of_build(
    (1, OperationStarted(**OWNER, operation=BUILD)),
    (1, BuildStarted(**OWNER, build=BUILD, source=DIGEST, by="ada", deadline_at=START)),
    (1, BuildStepStarted(**OWNER, build=BUILD, step="source")),
    (2, BuildStepFinished(**OWNER, build=BUILD, step="source", seconds=1, detail="2 files")),
    (2, BuildStepStarted(**OWNER, build=BUILD, step="code")),
)


def seen(
    messages: Sequence[TimedMessage], row: OperationRow | None = None, *, at: float = 100
) -> tuple[Timeline, list[tuple[str, str, float]]]:
    found = timeline(row or operation(), messages, now=START + timedelta(seconds=at))
    return found, [(each.name.value, each.state.value, each.seconds) for each in found.stages]
