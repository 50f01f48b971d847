"""Plans of what has no deployment behind it yet, and of ports that cannot be shared."""

from datetime import UTC, datetime
from typing import Any

from slipway_api.submitting.plans import plan_of
from slipway_contracts.commands import Cancel, Deploy, Redeploy
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.lifecycle import ReleaseState
from slipway_contracts.names import derived_id
from slipway_contracts.quota import Charge
from slipway_contracts.release import ReleaseConfig
from slipway_contracts.traffic import ReleaseRequest, TrafficShare
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_contracts.workload import Workload

AT = datetime(2026, 1, 1, tzinfo=UTC)
OWNER: dict[str, Any] = {"group": "default", "deployment": "digits"}
ASKED: dict[str, Any] = {**OWNER, "by": "ada", "request_digest": "x"}
CONFIG = ReleaseConfig(replicas=2, deadline_seconds=20)


def make_version(**endpoint: Any) -> Version:
    spec = EndpointSpec(
        name="predict", image=f"sha256:{1:064x}", command=CommandSpec(argv=("serve",)), **endpoint
    )
    build = derived_id("build")
    return Version(
        **OWNER,
        id=build,
        label="1",
        build=build,
        endpoints=(spec,),
        python="3.11",
        platform="linux/amd64",
        created_at=AT,
        created_by="ada",
    )


def serving(
    version: Version, config: ReleaseConfig = CONFIG, state: ReleaseState = ReleaseState.LIVE
) -> Desired:
    workload = Workload.of(**OWNER, endpoint=version.endpoints[0], config=config, replicas=config.replicas)
    release = DesiredRelease(
        number=1,
        operation=derived_id("operation"),
        state=state,
        version=version,
        config=config,
        created_at=AT,
        created_by="ada",
        workloads={"predict": workload.id},
    )
    live = state is ReleaseState.LIVE
    return Desired(
        **OWNER,
        position=1,
        next_release=2,
        releases=(release,),
        workloads=(DesiredWorkload(workload=workload, serving=config.replicas, crashes=(0, 0)),),
        traffic=(TrafficShare(release=1, weight=100),) if live else (),
    )


def test_a_first_release_needs_no_surge_and_ends_nothing() -> None:
    request = ReleaseRequest(version=make_version(), config=CONFIG)

    plan = plan_of((Deploy(**ASKED, request=request),), request=request, notices=("n",), desired=None)

    assert (plan.compared_with, plan.surge, plan.downtime) == (None, Charge(), None)
    assert [step.action for step in plan.steps] == ["start", "move"]
    assert {change.before for change in plan.changes} == {None}
    assert plan.notices == ["n"]


def test_a_fixed_port_names_its_downtime_unless_its_replica_stays() -> None:
    version, config = make_version(fixed_port=8000), ReleaseConfig(deadline_seconds=20)
    changed = config.model_copy(update={"environment": {"A": "1"}})
    described = config.model_copy(update={"description": "words"})

    plans = []
    for each in (changed, described):
        request = ReleaseRequest(version=version, config=each)
        command = Redeploy(**ASKED, request=request)
        plans.append(plan_of((command,), request=request, notices=(), desired=serving(version, config)))

    assert plans[0].downtime is not None
    assert "port 8000" in plans[0].downtime
    assert "at most 20 s" in plans[0].downtime
    assert plans[1].downtime is None


def test_a_cancel_names_the_releases_that_it_ends() -> None:
    desired = serving(make_version(), state=ReleaseState.STARTING)

    plan = plan_of((Cancel(**ASKED),), request=None, notices=(), desired=desired)

    assert [(step.action, step.release) for step in plan.steps] == [("end", 1)]


def test_what_a_build_will_make_is_not_compared_field_by_field() -> None:
    version, build = make_version(), derived_id("another build")
    request = ReleaseRequest(build=build, config=CONFIG)

    plan = plan_of((Deploy(**ASKED, request=request),), request=request, notices=(), desired=serving(version))

    changes = {change.field: (change.before, change.after) for change in plan.changes}
    assert changes == {"version": ("1", None), "build": (None, build)}


def test_a_plan_is_called_what_was_asked_for() -> None:
    request = ReleaseRequest(version=make_version(), config=CONFIG)

    plan = plan_of(
        (Redeploy(**ASKED, request=request, cause="rollback"),), request=request, notices=(), desired=None
    )

    assert plan.kinds == ["rollback"]
