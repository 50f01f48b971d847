"""What commands are charged: the larger of old and new, others beside, surge aside."""

from typing import Any

from slipway_contracts.asking import asked_by, peak, targets_of
from slipway_contracts.commands import Deploy, Pin, Redeploy, SetAlias, Start, Stop, Undelete
from slipway_contracts.desired import Desired, DesiredRelease, DesiredWorkload
from slipway_contracts.envelope import now
from slipway_contracts.evolve import DeploymentFacts, evolve
from slipway_contracts.evolve import charge as charge_of_facts
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.quota import Charge
from slipway_contracts.release import ReleaseConfig, Strategy
from slipway_contracts.size import Size
from slipway_contracts.traffic import AliasRoute, ReleaseRequest, RestoredRelease, TrafficShare
from slipway_contracts.version import CommandSpec, EndpointSpec, Version
from slipway_contracts.workload import Workload

_OWNER: dict[str, Any] = {"group": "default", "deployment": "digits"}
_ASKED: dict[str, Any] = {**_OWNER, "by": "ada", "request_digest": "sha256:0"}


def make_version(number: int = 1, endpoints: int = 1, **endpoint: Any) -> Version:
    specs = tuple(
        EndpointSpec(
            name=f"e{index}", image=f"sha256:{number:064x}", command=CommandSpec(argv=("serve",)), **endpoint
        )
        for index in range(endpoints)
    )
    return Version(
        **_OWNER,
        id=derived_id("version", number),
        label=f"v{number}",
        build=derived_id("version", number),
        endpoints=specs,
        python="3.11",
        platform="linux/amd64",
        created_at=now(),
        created_by="ada",
    )


def make_config(replicas: int = 1, cpu: float = 1.0, **overrides: Any) -> ReleaseConfig:
    return ReleaseConfig(replicas=replicas, size=Size(cpu=cpu, memory_bytes=1 << 30), **overrides)


def running(*numbers: int, aliases: dict[str, int] | None = None, **config: Any) -> Desired:
    """A deployment with these live releases, each of a version of its own; the first serves `live`."""
    releases, workloads = [], []
    for number in numbers:
        version, made = make_version(number), make_config(**config)
        workload = Workload.of(**_OWNER, endpoint=version.endpoints[0], config=made, replicas=made.replicas)
        workloads.append(
            DesiredWorkload(workload=workload, serving=made.replicas, crashes=(0,) * made.replicas)
        )
        releases.append(
            DesiredRelease(
                number=number,
                operation=derived_id("operation", number),
                state=ReleaseState.LIVE,
                version=version,
                config=made,
                created_at=now(),
                created_by="ada",
                workloads={"e0": workload.id},
            )
        )
    routes = tuple(
        AliasRoute(alias=alias, shares=(TrafficShare(release=number, weight=100),))
        for alias, number in (aliases or {}).items()
    )
    return Desired(
        **_OWNER,
        position=1,
        releases=tuple(releases),
        workloads=tuple(workloads),
        traffic=(TrafficShare(release=numbers[0], weight=100),),
        aliases=routes,
    )


def redeploy(number: int, **config: Any) -> Redeploy:
    return Redeploy(
        **_ASKED, request=ReleaseRequest(version=make_version(number), config=make_config(**config))
    )


def test_a_first_deploy_is_charged_all_replicas_of_all_endpoints() -> None:
    request = ReleaseRequest(version=make_version(endpoints=2), config=make_config(replicas=3, cpu=0.5))

    charge = asked_by(None, Deploy(**_ASKED, request=request))

    assert charge == Charge(deployments=1, replicas=6, cpu=3.0, memory_bytes=6 << 30)


def test_a_redeploy_is_charged_the_larger_of_old_and_new() -> None:
    desired = running(1, replicas=4)

    smaller, larger = asked_by(desired, redeploy(2, replicas=2)), asked_by(desired, redeploy(2, replicas=5))

    assert smaller is not None
    assert larger is not None
    assert (smaller.replicas, larger.replicas) == (4, 5)


def test_what_another_alias_serves_is_charged_beside_a_redeploy() -> None:
    desired = running(1, 2, aliases={"staging": 2}, replicas=2)

    charge = asked_by(desired, redeploy(3, replicas=2))

    assert charge is not None
    assert charge.replicas == 4


def test_a_release_that_gets_a_part_of_the_requests_is_charged_beside_the_other() -> None:
    desired = running(1, replicas=2)
    request = ReleaseRequest(
        version=make_version(2),
        config=make_config(replicas=1),
        weight=10,
        beside=(TrafficShare(release=1, weight=90),),
    )

    charge = asked_by(desired, Deploy(**_ASKED, request=request))

    assert charge is not None
    assert charge.replicas == 3


def test_releases_that_share_a_workload_are_charged_it_once() -> None:
    desired = running(1, aliases={"staging": 1}, replicas=3)

    charge = asked_by(desired, redeploy(1, replicas=3))

    assert charge is not None
    assert charge.replicas == 3


def test_an_alias_that_moves_to_a_release_that_ran_before_is_charged_the_larger_of_both() -> None:
    desired = running(2, replicas=2)
    earlier = RestoredRelease(number=1, version=make_version(1), config=make_config(replicas=3))
    command = SetAlias(
        **_ASKED, alias="live", shares=(TrafficShare(release=1, weight=100),), restored=(earlier,)
    )

    charge = asked_by(desired, command)

    assert charge is not None
    assert charge.replicas == 3


def test_a_pinned_release_that_ran_before_is_charged_beside_what_runs() -> None:
    desired = running(2, replicas=2)
    earlier = RestoredRelease(number=1, version=make_version(1), config=make_config(replicas=3))

    charge = asked_by(desired, Pin(**_ASKED, release=1, pinned=True, restored=earlier))

    assert charge is not None
    assert charge.replicas == 5


def test_a_start_is_charged_all_aliases_that_it_brings_back() -> None:
    stopped = Desired(**_OWNER, position=9, wanted=Wanted.STOPPED, ended=True)
    staging = RestoredRelease(number=2, version=make_version(2), config=make_config(replicas=2))
    request = ReleaseRequest(version=make_version(1), config=make_config(replicas=1))

    route = AliasRoute(alias="staging", shares=(TrafficShare(release=2, weight=100),))
    charge = asked_by(stopped, Start(**_ASKED, request=request, aliases=(route,), restored=(staging,)))

    assert charge == Charge(deployments=1, replicas=3, cpu=3.0, memory_bytes=3 << 30)


def test_a_stop_asks_for_nothing_and_an_undelete_for_the_deployment_alone() -> None:
    gone = Desired(**_OWNER, position=9, wanted=Wanted.DELETED, ended=True)

    assert asked_by(gone, Stop(**_ASKED)) is None
    assert asked_by(gone, Undelete(**_ASKED)) == Charge(deployments=1)


def test_a_surge_needs_room_for_old_and_new_together() -> None:
    desired = running(1, replicas=2)

    needed = peak(desired, redeploy(2, replicas=3), "local")

    assert needed.replicas == 5


def test_a_scaled_release_needs_room_for_what_is_added_only() -> None:
    desired = running(1, replicas=2)

    needed = peak(desired, redeploy(1, replicas=5), "local")

    assert needed.replicas == 5


def test_in_place_needs_no_room_beside_what_runs() -> None:
    desired = running(1, replicas=2)

    needed = peak(desired, redeploy(2, replicas=2, strategy=Strategy.IN_PLACE), "local")

    assert needed.replicas == 2


def test_in_place_still_needs_room_beside_what_other_aliases_serve() -> None:
    desired = running(1, 2, aliases={"staging": 2}, replicas=2)

    needed = peak(desired, redeploy(3, replicas=3, strategy=Strategy.IN_PLACE), "local")

    assert needed.replicas == 2 + 3


def test_a_move_to_another_target_needs_room_for_the_new_replicas_there() -> None:
    desired = running(1, replicas=2)
    command = redeploy(2, replicas=2, target="cluster")

    assert targets_of(command) == ("cluster",)
    assert peak(desired, command, "cluster").replicas == 2


def deploy_to(alias: str, number: int, **config: Any) -> Deploy:
    request = ReleaseRequest(version=make_version(number), config=make_config(**config), alias=alias)
    return Deploy(**_ASKED, request=request)


def test_commands_for_several_aliases_that_wait_for_a_decision_are_charged_together() -> None:
    desired = running(1, replicas=2)
    pending = (deploy_to("staging", 2, replicas=3), deploy_to("canary", 3, replicas=4))

    charge = asked_by(desired, deploy_to("staging", 4, replicas=1), pending)

    assert charge is not None
    assert charge.replicas == 2 + 1 + 4


def test_a_stop_that_waits_for_a_decision_ends_what_was_asked_before() -> None:
    pending = (deploy_to("staging", 2, replicas=3), Stop(**_ASKED))

    charge = asked_by(running(1, replicas=2), deploy_to("live", 4, replicas=1), pending)

    assert charge is not None
    assert charge.replicas == 2


def test_the_fold_charges_waiting_commands_together_until_they_are_decided() -> None:
    facts, at = DeploymentFacts.empty("default", "digits"), now()
    for sequence, command in enumerate((deploy_to("live", 1, replicas=2), deploy_to("staging", 2)), start=1):
        facts = evolve(facts, command, sequence=sequence, at=at)
    waiting = charge_of_facts(facts)

    decided = running(1, 2, aliases={"staging": 2}).model_copy(update={"position": 2})
    facts = evolve(facts, decided, sequence=3, at=at)

    assert waiting.replicas == 3
    assert charge_of_facts(facts).replicas == 2
    assert facts.asked_holdings is None
