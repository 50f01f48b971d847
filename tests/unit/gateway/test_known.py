"""What the gateway remembers."""

import pytest
from gateway_world import DeploymentStory
from slipway_contracts.lifecycle import Wanted
from slipway_gateway.known import Known


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

    again = Known.load(known.dump())

    assert again.dump() == known.dump()
    assert list(again.deployments()) == list(known.deployments())
    assert again.ready((story.group, story.deployment)) == known.ready((story.group, story.deployment))


def test_the_order_of_facts_leaves_no_trace_in_the_bytes() -> None:
    known, story = known_story()
    other = Known()
    other.take(story.fact(story.workload(1), "1-1", address="[::1]:9001"))
    other.take(story.desired)

    other.take(story.fact(story.workload(1), "0-1", address="127.0.0.1:9000"))

    assert other.dump() == known.dump()


def test_a_record_that_says_nothing_new_about_routes_is_no_change() -> None:
    known, story = known_story()

    assert known.take(story.desired.model_copy(update={"position": 7})) is None
    assert known.take(story.fact(story.workload(1), "0-1", address="127.0.0.1:9000")) is None


def test_a_deployment_is_forgotten_when_its_deletion_has_ended() -> None:
    known, story = known_story()
    story.wanted = Wanted.DELETED

    assert known.take(story.desired) == ("default", "digits")
    assert known.deployment(("default", "digits")) is not None
    story.ended = True
    known.take(story.desired)

    assert known.deployment(("default", "digits")) is None


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


@pytest.mark.parametrize("content", [b"", b"{", b'{"deployments": 1}', b'{"ready": {"a/b": "c"}}'])
def test_a_damaged_snapshot_is_an_error_and_not_an_empty_one(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Known.load(content)
