"""From the messages behind a command to where the time of its operation went."""

import pytest
from log_script import DIGEST, START, make_failure
from slipway_api.reading.timeline import TimedMessage, TimelineFold
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.events import (
    BuildCanceled,
    BuildFailed,
    BuildStarted,
    BuildStepFinished,
    BuildStepStarted,
    BuildSucceeded,
    DeploymentConfigured,
    DeploymentEnded,
    OperationCanceled,
    OperationFailed,
    OperationStarted,
    OperationSucceeded,
    OperationSuperseded,
    ReleaseDraining,
    ReleaseFailed,
    ReleaseRetired,
    TrafficShifted,
)
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.replica import ReplicaState
from timeline_world import (
    BEGUN,
    BUILD,
    OPERATION,
    OTHER,
    OWNER,
    SMOKE,
    VERSION,
    live,
    operation,
    replica,
    seen,
    starting,
    told,
    version_with_a_test,
)


def test_the_stages_of_a_deploy_from_source_follow_one_another_and_make_up_its_time() -> None:
    messages = [
        *BEGUN,
        told(5, BuildStepFinished(**OWNER, build=BUILD, step="code", seconds=3)),
        told(6, BuildSucceeded(**OWNER, build=BUILD, version=version_with_a_test(), seconds=5)),
        *starting(8, version_with_a_test(), replicas=2),
        replica(10, "0-1", ReplicaState.STARTED),
        replica(11, "1-1", ReplicaState.STARTED),
        replica(13, "1-1", ReplicaState.READY),
        replica(14, "0-1", ReplicaState.READY),
        replica(15, "1-1", ReplicaState.READY, SMOKE),
        replica(16, "0-1", ReplicaState.READY, SMOKE),
        *live(17, 19),
        told(25, ReleaseRetired(**OWNER, release=1), OTHER),
    ]

    found, stages = seen(messages, operation(build=BUILD))

    assert stages == [
        ("accepted", "DONE", 1),
        ("built", "DONE", 5),
        ("decided", "DONE", 2),
        ("started", "DONE", 3),
        ("answering", "DONE", 3),
        ("smoke-tested", "DONE", 2),
        ("ready", "DONE", 1),
        ("shifted", "DONE", 0),
        ("live", "DONE", 2),
        ("drained", "DONE", 6),
    ]
    assert (found.state, found.seconds, found.release) == ("SUCCEEDED", 19, 2)
    assert sum(seconds for name, _, seconds in stages if name != "drained") == found.seconds
    assert (found.waits_for, found.owed_by) == (None, None)
    steps = found.stages[1].steps
    assert [(each.name, each.seconds, each.detail) for each in steps] == [
        ("source", 1, "2 files"),
        ("code", 3, ""),
    ]
    assert found.stages[-1].release == 1


WAITING: list[tuple[str, list[TimedMessage], str, str]] = [
    ("nobody took it", [], "the deployer to take the command", "deployer"),
    ("nothing started", starting(2, replicas=2), "replicas to start: 0 of 2", "deployer"),
    (
        "one of two started",
        [*starting(2, replicas=2), replica(3, "0-1", ReplicaState.STARTED)],
        "replicas to answer: 0 of 2",
        "replicas",
    ),
    (
        "its smoke test runs",
        [
            *starting(2, version_with_a_test()),
            replica(3, "0-1", ReplicaState.STARTED),
            replica(4, "0-1", ReplicaState.READY),
        ],
        "smoke tests: 0 of 1",
        "monitor",
    ),
    (
        "taken, not decided",
        [told(1, OperationStarted(**OWNER, operation=OPERATION))],
        "the deployer to decide",
        "deployer",
    ),
    (
        "all answer",
        [*starting(2), replica(3, "0-1", ReplicaState.READY)],
        "the deployer to find the release ready: 1 of 1",
        "deployer",
    ),
    ("ready", [*starting(2), *live(5, 9)[:1]], "the deployer to move the alias", "deployer"),
    ("gateways were told", [*starting(2), *live(5, 9)[:2]], "the gateways to send requests there", "gateway"),
]


@pytest.mark.parametrize(
    ("messages", "waits_for", "owed_by"), [each[1:] for each in WAITING], ids=[each[0] for each in WAITING]
)
def test_what_has_not_ended_says_what_it_waits_for_and_who_owes_it(
    messages: list[TimedMessage], waits_for: str, owed_by: str
) -> None:
    found, stages = seen(messages, at=50)

    assert (found.waits_for, found.owed_by) == (waits_for, owed_by)
    assert found.ended_at is None
    assert found.seconds == 50
    assert stages[-1][1] == "RUNNING"
    assert sum(seconds for _, _, seconds in stages) == 50


def test_a_build_that_runs_is_waited_for_by_the_name_of_its_step() -> None:
    queued, _ = seen([], operation(build=BUILD))
    running, stages = seen(BEGUN, operation(build=BUILD), at=9)

    assert (queued.waits_for, queued.owed_by) == ("a builder to take the build", "builder")
    assert running.waits_for == "the build: code"
    assert stages == [("accepted", "DONE", 1), ("built", "RUNNING", 8)]


def test_a_build_that_fails_ends_in_its_step() -> None:
    messages = [
        *BEGUN,
        told(6, BuildFailed(**OWNER, build=BUILD, failure=make_failure())),
        told(7, OperationFailed(**OWNER, operation=OPERATION, failure=make_failure())),
    ]

    found, stages = seen(messages, operation(build=BUILD))

    assert stages == [("accepted", "DONE", 1), ("built", "FAILED", 5), ("decided", "FAILED", 1)]
    assert [each.state for each in found.stages[1].steps] == ["DONE", "FAILED"]
    assert (found.state, found.seconds) == ("FAILED", 7)


def test_a_build_that_another_builder_begins_anew_goes_on_in_the_same_stage() -> None:
    messages = [
        *BEGUN,
        told(10, BuildStarted(**OWNER, build=BUILD, source=DIGEST, by="ada", deadline_at=START)),
        told(11, BuildStepStarted(**OWNER, build=BUILD, step="source")),
    ]

    found, stages = seen(messages, operation(build=BUILD), at=12)

    assert stages == [("accepted", "DONE", 1), ("built", "RUNNING", 11)]
    steps = [(each.name, each.state) for each in found.stages[1].steps]
    assert steps == [("source", "DONE"), ("code", "CANCELED"), ("source", "RUNNING")]


def test_a_build_on_its_own_ends_with_its_version() -> None:
    messages = [
        *(told(each.time.timestamp() - START.timestamp(), each.message, BUILD) for each in BEGUN),
        told(6, OperationSucceeded(**OWNER, operation=BUILD), BUILD),
        told(6.1, BuildSucceeded(**OWNER, build=BUILD, version=VERSION, seconds=5), BUILD),
    ]

    found, stages = seen(messages, operation("build", build=BUILD, identifier=BUILD))

    assert stages == [("accepted", "DONE", 1), ("built", "DONE", 5)]
    assert found.stages[1].detail == f"version {VERSION.label}"


def test_a_canceled_build_ends_the_deploy_that_waits_for_it() -> None:
    messages = [
        *BEGUN,
        told(4, BuildCanceled(**OWNER, build=BUILD, by="ada")),
        told(5, OperationCanceled(**OWNER, operation=OPERATION, by="ada")),
    ]

    found, stages = seen(messages, operation(build=BUILD))

    assert [state for _, state, _ in stages] == ["DONE", "CANCELED", "CANCELED"]
    assert found.state == "CANCELED"


def test_a_release_whose_replicas_exit_fails_in_the_stage_that_was_not_reached() -> None:
    messages = [
        *starting(1),
        replica(2, "0-1", ReplicaState.STARTED),
        replica(3, "0-1", ReplicaState.EXITED),
        replica(4, "0-2", ReplicaState.STARTED),
        replica(5, "0-2", ReplicaState.EXITED),
        told(6, ReleaseFailed(**OWNER, release=2, failure=make_failure())),
        told(6, OperationFailed(**OWNER, operation=OPERATION, failure=make_failure())),
    ]

    found, stages = seen(messages)

    assert stages == [("accepted", "DONE", 1), ("decided", "DONE", 0), ("started", "FAILED", 5)]
    assert found.stages[-1].detail == "0 replicas, 2 exited: ReplicaExited"


def test_a_superseded_deploy_ends_where_it_was() -> None:
    messages = [
        *starting(1),
        replica(2, "0-1", ReplicaState.STARTED),
        told(4, OperationSuperseded(**OWNER, operation=OPERATION, by_operation=OTHER)),
        replica(5, "0-1", ReplicaState.READY),
    ]

    found, stages = seen(messages)

    assert stages[-2:] == [("started", "DONE", 1), ("answering", "SUPERSEDED", 2)]
    assert (found.state, found.seconds) == ("SUPERSEDED", 4)
    assert found.stages[-1].detail == f"0 replicas: by {OTHER}"


def test_a_release_whose_processes_run_already_waits_for_no_replica() -> None:
    found, stages = seen([*starting(1, replicas=3), *live(2, 4)])

    assert [name for name, _, _ in stages] == ["accepted", "decided", "ready", "shifted", "live", "drained"]
    assert found.seconds == 4


def test_a_stop_lasts_until_nothing_runs_and_shows_what_drained() -> None:
    messages = [
        told(1, OperationStarted(**OWNER, operation=OPERATION)),
        told(1, ReleaseDraining(**OWNER, release=2), OTHER),
        told(1, TrafficShifted(**OWNER, shares=())),
        told(4, ReleaseRetired(**OWNER, release=2), OTHER),
        told(7, DeploymentEnded(**OWNER, wanted=Wanted.STOPPED)),
        told(7, OperationSucceeded(**OWNER, operation=OPERATION)),
    ]

    found, stages = seen(messages, operation("stop"))
    before, _ = seen(messages[:3], operation("stop"))

    assert stages == [("accepted", "DONE", 1), ("ended", "DONE", 6), ("drained", "DONE", 3)]
    assert found.seconds == 7
    assert before.waits_for == "requests to finish and replicas to go"


def test_settings_wait_for_the_gateways() -> None:
    messages = [
        told(1, DeploymentConfigured(**OWNER, settings=DeploymentSettings(), by="ada")),
        told(1, OperationStarted(**OWNER, operation=OPERATION)),
        told(3, OperationSucceeded(**OWNER, operation=OPERATION)),
    ]

    _, stages = seen(messages, operation("configure"))
    before, _ = seen(messages[:2], operation("configure"))

    assert stages == [("accepted", "DONE", 1), ("applied", "DONE", 2)]
    assert before.waits_for == "the gateways to apply it"


def test_a_command_that_changes_nothing_has_the_time_until_it_was_taken() -> None:
    found, stages = seen([told(2, OperationSucceeded(**OWNER, operation=OPERATION))], operation("cancel"))

    assert stages == [("accepted", "DONE", 2)]
    assert found.state == "SUCCEEDED"


def test_what_other_operations_do_meanwhile_is_no_part_of_it() -> None:
    own = [*starting(1), *live(5, 7)]
    other = [
        told(2, OperationStarted(**OWNER, operation=OTHER), OTHER),
        told(3, TrafficShifted(**OWNER, alias="staging", shares=()), OTHER),
        told(3, ReleaseDraining(**OWNER, release=7), OTHER),
        told(4, OperationFailed(**OWNER, operation=OTHER, failure=make_failure()), OTHER),
    ]

    _, alone = seen(own)
    _, among = seen([*own[:3], *other, *own[3:]])

    assert among == alone


def test_the_end_of_its_own_release_much_later_belongs_to_whoever_replaced_it() -> None:
    messages = [*starting(1), *live(2, 3), told(90, ReleaseDraining(**OWNER, release=2))]

    _, stages = seen(messages)

    assert [name for name, _, _ in stages if name == "drained"] == ["drained"]


def test_clocks_that_differ_make_no_stage_negative() -> None:
    messages = [*starting(5), replica(3, "0-1", ReplicaState.STARTED), *live(4, 2)]

    found, stages = seen(messages)

    assert all(seconds >= 0 for _, _, seconds in stages)
    assert found.seconds == 2


def test_reading_may_end_once_the_operation_and_all_it_replaced_have() -> None:
    messages = [*starting(1), *live(2, 3)]
    fold = TimelineFold(operation())
    for each in messages:
        assert not fold.is_complete_before(each)
        fold.take(each)
    later = told(9, ReleaseRetired(**OWNER, release=1), OTHER)

    assert not fold.is_complete_before(later)
    fold.take(later)
    assert fold.is_complete_before(told(10, ReleaseRetired(**OWNER, release=9), OTHER))
