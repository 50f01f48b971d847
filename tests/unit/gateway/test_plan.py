"""What the gateway makes of desired records and replica facts."""

from datetime import timedelta
from typing import Any

from gateway_world import AT, DeploymentStory, make_endpoint
from slipway_contracts.access import Access, AccessMode
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.lifecycle import ReleaseState, Wanted
from slipway_contracts.replica import ReplicaState
from slipway_gateway.known import Known
from slipway_gateway.model import Forward, Keys, Passwords, Refuse, Section
from slipway_gateway.plan import section


def plan(story: DeploymentStory, ready: dict[tuple[str, str], str], **options: Any) -> Section:
    known = Known()
    known.take(story.desired)
    for (workload, replica), address in ready.items():
        known.take(story.fact(workload, replica, address=address))
    key = (story.group, story.deployment)
    deployment = known.deployment(key)
    assert deployment is not None
    return section(deployment, known.ready(key), deployment.names_at(AT), moment=AT, **options)


def routes(found: Section) -> list[Forward | Refuse]:
    return [route for place in found.places for route in place.routes]


def forwards(found: Section) -> dict[str, Forward]:
    return {route.prefix: route for route in routes(found) if isinstance(route, Forward)}


def refusals(found: Section) -> dict[str, str]:
    return {route.prefix: route.problem.reason for route in routes(found) if isinstance(route, Refuse)}


def live_story(**endpoint: Any) -> tuple[DeploymentStory, str]:
    story = DeploymentStory()
    story.add_release(1, make_endpoint(**endpoint))
    story.traffic = {1: 100}
    return story, story.workload(1)


def test_an_endpoint_answers_below_the_deployment_its_alias_and_its_version_label() -> None:
    story, workload = live_story()

    found = plan(story, {(workload, "0-1"): "127.0.0.1:9000"})

    assert set(forwards(found)) == {
        "/default/digits/predict",
        "/default/digits/live/predict",
        "/default/digits/20260101.1/predict",
    }
    assert {route.clusters for route in forwards(found).values()} == {((f"{workload}-1", 100),)}


def test_the_deployment_itself_and_unknown_endpoints_name_the_endpoints() -> None:
    story = DeploymentStory()
    story.add_release(1, make_endpoint("greet"), make_endpoint("predict"))
    story.traffic = {1: 100}

    found = plan(story, {(story.workload(1), "0-1"): "127.0.0.1:9000"})

    last = routes(found)[-1]
    assert isinstance(last, Refuse)
    assert (last.prefix, last.problem.reason) == ("/default/digits", "EndpointUnknown")
    assert last.members["endpoints"] == ["greet", "predict"]


def test_two_releases_share_requests_by_weight_and_a_label_reaches_one_of_them() -> None:
    story = DeploymentStory()
    story.add_release(1)
    story.add_release(2)
    story.traffic = {1: 90, 2: 10}
    old, new = story.workload(1), story.workload(2)

    found = forwards(plan(story, {(old, "0-1"): "127.0.0.1:9001", (new, "0-1"): "127.0.0.1:9002"}))

    assert dict(found["/default/digits/predict"].clusters) == {f"{old}-1": 90, f"{new}-1": 10}
    assert found["/default/digits/20260101.2/predict"].clusters == ((f"{new}-1", 100),)


def test_each_alias_has_its_own_url_and_its_own_weights() -> None:
    story, old = live_story()
    story.add_release(2)
    new = story.workload(2)
    story.aliases = {"staging": {2: 100}, "canary": {1: 70, 2: 30}}

    found = forwards(plan(story, {(old, "0-1"): "127.0.0.1:9001", (new, "0-1"): "127.0.0.1:9002"}))

    assert {prefix.removeprefix("/default/digits"): route.clusters for prefix, route in found.items()} == {
        "/live/predict": ((f"{old}-1", 100),),
        "/canary/predict": tuple(sorted(((f"{old}-1", 70), (f"{new}-1", 30)))),
        "/staging/predict": ((f"{new}-1", 100),),
        "/20260101.1/predict": ((f"{old}-1", 100),),
        "/20260101.2/predict": ((f"{new}-1", 100),),
        "/predict": ((f"{old}-1", 100),),
    }


def test_a_label_reaches_the_newest_release_of_it_that_an_alias_or_a_pin_names() -> None:
    story, _ = live_story()
    story.traffic = {3: 100}
    for number, label in enumerate(("same", "pinned", "same", "unnamed", "coming"), start=1):
        story.add_release(number, label=label)
    story.add_release(5, label="coming", state=ReleaseState.READY)
    story.pins = (1, 2, 5)
    ready = {(story.workload(number), "0-1"): f"127.0.0.1:900{number}" for number in range(1, 6)}

    found = forwards(plan(story, ready))

    labels = {prefix.split("/")[3]: route.clusters for prefix, route in found.items() if "live" not in prefix}
    assert labels == {
        "same": ((f"{story.workload(3)}-1", 100),),
        "pinned": ((f"{story.workload(2)}-1", 100),),
        "predict": ((f"{story.workload(3)}-1", 100),),
    }


def test_a_release_that_has_been_shifted_to_is_routed_before_it_is_live() -> None:
    story, _ = live_story()
    story.add_release(2, state=ReleaseState.READY)
    story.traffic = {2: 100}
    ready = {(story.workload(number), "0-1"): f"127.0.0.1:900{number}" for number in (1, 2)}

    found = plan(story, ready)

    assert {route.clusters for route in forwards(found).values()} == {((f"{story.workload(2)}-1", 100),)}
    assert found.draining == (story.workload(1),)


def test_without_live_the_other_aliases_serve_and_are_named() -> None:
    story, workload = live_story()
    story.traffic = {}
    story.aliases = {"staging": {1: 100}}

    found = plan(story, {(workload, "0-1"): "127.0.0.1:9001"})

    last = routes(found)[-1]
    assert set(forwards(found)) == {
        "/default/digits/staging/predict",
        "/default/digits/20260101.1/predict",
    }
    assert (last.prefix, last.members["endpoints"]) == ("/default/digits", ["predict"])
    assert "/default/digits/staging/predict" in last.members["paths"]


def test_every_name_has_all_routes_and_a_stopped_deployment_is_gone_at_each() -> None:
    story, workload = live_story()
    story.settings = DeploymentSettings(name="shop")
    story.former_names = (FormerName(name="digits", until=AT + timedelta(days=1)),)
    ready = {(workload, "0-1"): "127.0.0.1:9001"}

    running = forwards(plan(story, ready))
    story.wanted = Wanted.STOPPED
    stopped = refusals(plan(story, ready))

    assert {prefix.split("/", 3)[2] for prefix in running} == {"shop", "digits"}
    assert len(running) == 6
    assert stopped == dict.fromkeys(("/default/shop", "/default/digits"), "DeploymentStopped")


def test_only_a_guarded_deployment_that_runs_asks_who_calls() -> None:
    story, workload = live_story()
    ready = {(workload, "0-1"): "127.0.0.1:9001"}
    guards = {}

    for mode in AccessMode:
        story.settings = DeploymentSettings(access=Access(mode=mode))
        guards[mode] = [place.guard for place in plan(story, ready, checks_keys=True).places]
    unchecked = refusals(plan(story, ready))
    story.wanted = Wanted.STOPPED
    stopped = plan(story, ready, checks_keys=True)

    assert guards == {
        AccessMode.OPEN: [None],
        AccessMode.BASIC: [Passwords(digests={})],
        AccessMode.KEYS: [Keys(audience="default/digits", ids=())],
    }
    assert unchecked == {"/default/digits": "EndpointKeysUncheckable"}
    assert [place.guard for place in stopped.places] == [None]


def test_a_release_without_ready_replicas_gives_its_part_to_the_others() -> None:
    story = DeploymentStory()
    story.add_release(1)
    story.add_release(2)
    story.traffic = {1: 90, 2: 10}

    found = plan(story, {(story.workload(1), "0-1"): "127.0.0.1:9001"})

    assert forwards(found)["/default/digits/predict"].clusters == ((f"{story.workload(1)}-1", 90),)
    assert refusals(found)["/default/digits/20260101.2/predict"] == "NoReadyReplica"


def test_without_a_ready_replica_the_answer_is_503_at_once() -> None:
    story, _ = live_story()

    found = plan(story, {})

    assert refusals(found)["/default/digits/predict"] == "NoReadyReplica"
    assert found.clusters == ()


def test_releases_that_share_a_workload_add_up_their_weights() -> None:
    story = DeploymentStory()
    story.add_release(1, environment={})
    story.add_release(2, environment={})
    story.traffic = {1: 60, 2: 40}
    shared = story.workload(1)

    found = forwards(plan(story, {(shared, "0-1"): "127.0.0.1:9001"}))

    assert story.workload(2) == shared
    assert found["/default/digits/predict"].clusters == ((f"{shared}-1", 100),)


def test_a_release_on_its_way_has_a_cluster_and_no_route() -> None:
    story, live = live_story()
    story.add_release(2)
    coming = story.workload(2)

    found = plan(story, {(live, "0-1"): "127.0.0.1:9001", (coming, "0-1"): "127.0.0.1:9002"})

    assert {each.name for each in found.clusters} == {f"{live}-1", f"{coming}-1"}
    assert {name for route in forwards(found).values() for name, _ in route.clusters} == {f"{live}-1"}
    assert found.draining == (coming,)


def test_only_serving_replicas_get_requests_and_the_scaled_away_are_leaving() -> None:
    story = DeploymentStory()
    story.add_release(1, replicas=3)
    story.traffic = {1: 100}
    workload = story.workload(1)
    story.serve_only(workload, 1)
    ready = {(workload, f"{slot}-1"): f"127.0.0.1:900{slot}" for slot in range(3)}

    found = plan(story, ready)

    assert [(each.name, each.addresses) for each in found.clusters] == [
        (f"{workload}-1", ("127.0.0.1:9000",))
    ]
    assert found.leaving == ((workload, "1-1", f"{workload}-1"), (workload, "2-1", f"{workload}-1"))


def test_a_stopped_deployment_is_gone_but_keeps_the_clusters_that_still_work() -> None:
    story, workload = live_story()
    story.wanted = Wanted.STOPPED

    found = plan(story, {(workload, "0-1"): "127.0.0.1:9000"})

    assert refusals(found) == {"/default/digits": "DeploymentStopped"}
    assert [each.name for each in found.clusters] == [f"{workload}-1"]
    assert found.draining == (workload,)


def test_a_deleted_deployment_has_no_routes() -> None:
    story, workload = live_story()
    story.wanted = Wanted.DELETED

    found = plan(story, {(workload, "0-1"): "127.0.0.1:9000"})

    assert found.places == ()


def test_a_deployment_that_never_served_is_not_ready_rather_than_unknown() -> None:
    story, _ = live_story()
    story.traffic = {}

    found = plan(story, {})

    assert refusals(found) == {"/default/digits": "NoReadyReplica"}


def test_the_most_permissive_limits_of_all_releases_hold_while_traffic_is_split() -> None:
    story = DeploymentStory()
    story.add_release(1, make_endpoint(timeout_seconds=5, max_body_bytes=10, idempotent=True))
    story.add_release(2, make_endpoint(timeout_seconds=7, max_body_bytes=20))
    story.traffic = {1: 50, 2: 50}
    ready = {(story.workload(number), "0-1"): f"127.0.0.1:900{number}" for number in (1, 2)}

    route = forwards(plan(story, ready))["/default/digits/predict"]

    assert (route.timeout_seconds, route.max_body_bytes, route.idempotent) == (7, 20, False)


def test_a_replica_that_is_not_ready_any_more_gets_no_requests() -> None:
    story, workload = live_story()
    known = Known()
    known.take(story.desired)
    known.take(story.fact(workload, address="127.0.0.1:9000"))

    for state in set(ReplicaState) - {ReplicaState.READY}:
        known.take(story.fact(workload, address="127.0.0.1:9000"))
        known.take(story.fact(workload, state=state, address="127.0.0.1:9000"))

        assert known.ready(("default", "digits")) == {}
