"""What the gateway remembers."""

import pytest
from gateway_world import AT, DeploymentStory
from slipway_contracts.access import Access, AccessMode, BasicUser, EndpointKey
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.envelope import new_id
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.replica import ReplicaState
from slipway_gateway.known import Known
from slipway_gateway.model import Forward
from slipway_gateway.plan import section


def known_story() -> tuple[Known, DeploymentStory]:
    known = Known()
    story = DeploymentStory()
    story.add_release(1, replicas=2)
    story.traffic = {1: 100}
    known.take(story.desired)
    known.take(story.fact(story.workload(1), "0-1", address="127.0.0.1:9000"))
    known.take(story.fact(story.workload(1), "1-1", address="[::1]:9001"))
    return known, story


def test_what_is_stored_comes_back_with_the_same_bytes() -> None:
    known, story = known_story()

    again = Known.load(known.dump().joined())

    assert again.dump().joined() == known.dump().joined()
    assert list(again.deployments()) == list(known.deployments())
    assert again.ready((story.group, story.deployment)) == known.ready((story.group, story.deployment))


def test_the_order_of_facts_leaves_no_trace_in_the_bytes() -> None:
    known, story = known_story()
    other = Known()
    other.take(story.fact(story.workload(1), "1-1", address="[::1]:9001"))
    other.take(story.desired)

    other.take(story.fact(story.workload(1), "0-1", address="127.0.0.1:9000"))

    assert other.dump().joined() == known.dump().joined()


def test_each_change_is_in_the_next_dump() -> None:
    known = Known()
    stories = [DeploymentStory(deployment=name) for name in ("digits", "cats")]

    for story in stories:
        story.add_release(1, replicas=2)
        story.traffic = {1: 100}
        known.take(story.fact(story.workload(1), "0-1", address="127.0.0.1:9000"))
        assert Known.load(known.dump().joined()).ready((story.group, story.deployment))
        known.take(story.desired)
        assert Known.load(known.dump().joined()).deployment((story.group, story.deployment))
        story.traffic = {}
        known.take(story.desired)
        assert list(Known.load(known.dump().joined()).deployments()) == list(known.deployments())
    for story in stories:
        known.take(story.fact(story.workload(1), "0-1", state=ReplicaState.GONE))
        assert Known.load(known.dump().joined()).ready((story.group, story.deployment)) == {}
        story.wanted, story.ended = Wanted.DELETED, True
        known.take(story.desired)

    assert known.dump().joined() == Known().dump().joined()


def test_a_record_that_says_nothing_new_about_routes_is_no_change() -> None:
    known, story = known_story()

    assert known.take(story.desired.model_copy(update={"position": 7})) is None
    assert known.take(story.fact(story.workload(1), "0-1", address="127.0.0.1:9000")) is None


@pytest.mark.parametrize("wanted", [Wanted.DELETED, Wanted.PURGED])
def test_a_deployment_is_forgotten_when_its_deletion_has_ended(wanted: Wanted) -> None:
    known, story = known_story()
    story.wanted = wanted

    assert known.take(story.desired) == ("default", "digits")
    assert known.deployment(("default", "digits")) is not None
    story.ended = True
    known.take(story.desired)

    assert known.deployment(("default", "digits")) is None


def test_what_access_says_beyond_the_present_mode_is_no_change() -> None:
    known, story = known_story()
    key = EndpointKey(id=new_id(), name="ci", created_at=AT, created_by="ada")
    user = BasicUser(name="ada", password_sha1="A" * 27 + "=", created_at=AT)

    story.settings = DeploymentSettings(access=Access(users=(user,), keys=(key,)))
    lists = known.take(story.desired)
    story.settings = DeploymentSettings(access=Access(mode=AccessMode.KEYS, users=(user,), keys=(key,)))
    mode = known.take(story.desired)
    story.settings = DeploymentSettings(access=Access(mode=AccessMode.KEYS, keys=(key,)))
    users = known.take(story.desired)

    assert (lists, mode, users) == (None, ("default", "digits"), None)


FIRST_FORMAT = b"""{"format":1,"deployments":[{"group":"default","deployment":"digits","wanted":"running",
"shares":[{"weight":90,"label":"20260101.1","endpoints":[{"name":"predict","workload":"0123456789abcdef",
"timeout_seconds":300.0,"max_body_bytes":null,"idempotent":false}]},{"weight":10,"label":"","endpoints":[]}],
"workloads":[{"id":"0123456789abcdef","serving":["0-1"],"leaving":["1-1"]}]}],
"ready":{"default/digits/0123456789abcdef/0-1":"127.0.0.1:9000"}}"""


def test_a_snapshot_of_the_first_release_gives_the_same_routes() -> None:
    known = Known.load(FIRST_FORMAT)

    deployment = known.deployment(("default", "digits"))
    assert deployment is not None
    found = section(deployment, known.ready(("default", "digits")), deployment.names_at(AT), moment=AT)
    forwards = [route for place in found.places for route in place.routes if isinstance(route, Forward)]
    assert [(route.prefix, route.clusters) for route in forwards] == [
        ("/default/digits/live/predict", (("0123456789abcdef-1", 90),)),
        ("/default/digits/20260101.1/predict", (("0123456789abcdef-1", 100),)),
        ("/default/digits/predict", (("0123456789abcdef-1", 90),)),
    ]
    assert Known.load(known.dump().joined()).dump().joined() == known.dump().joined()


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "localhost:80",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:x",
        "[fe80::1%eth0]:80",
    ],
)
def test_a_replica_with_an_address_that_envoy_would_refuse_is_not_ready(address: str | None) -> None:
    known = Known()
    story = DeploymentStory()
    story.add_release(1)

    known.take(story.fact(story.workload(1), address=address))

    assert known.ready(("default", "digits")) == {}


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"deployments": 1}', b'{"ready": {"a/b": "c"}}', b'{"format": 3}']
)
def test_a_damaged_snapshot_is_an_error_and_not_an_empty_one(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Known.load(content)
