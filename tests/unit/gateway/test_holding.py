"""What is served of a deployment whose newest record Envoy refuses: its last good one, or nothing."""

from collections.abc import Iterable
from datetime import timedelta

import pytest
from gateway_access import make_key, make_user, with_access
from gateway_world import AT, DeploymentStory, stored
from slipway_contracts.access import AccessMode
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.replica import ReplicaFact
from slipway_gateway.admin import Kind
from slipway_gateway.configuration import Configuration
from slipway_gateway.known import Known
from slipway_gateway.known_deployment import KnownDeployment
from slipway_gateway.model import Section
from slipway_gateway.rendered import Rendered
from slipway_gateway.writer import ConfigurationRefusedError, Target

PREFIX = "/default/digits"
CLOSED = '"status":508'
ADA = make_user("ada", "secret")


class Gateway:
    """A configuration of one deployment, whose first record Envoy has taken."""

    def __init__(self, story: DeploymentStory) -> None:
        self.story = story
        self.moment = AT
        self.sequence = 0
        self.configuration = Configuration(Known(), checks_keys=True, clock=lambda: self.moment)
        story.add_release(1)
        story.add_release(2)
        story.traffic = {1: 100}
        self.take(story.fact(story.workload(1), address="127.0.0.1:1"))
        self.take(story.fact(story.workload(2), address="127.0.0.1:2"))
        self.take(story.desired)
        self.good = self.configuration.target()
        self.configuration.accept()

    def take(self, message: Desired | ReplicaFact) -> None:
        self.sequence += 1
        self.configuration.take(stored(self.sequence, message))

    def hold(self, names: Iterable[str], kind: Kind = "routes") -> Target:
        held = self.configuration.hold(ConfigurationRefusedError(kind, names, self.good))
        assert held is not None
        return held

    def offer_second_release(self, kind: Kind = "routes") -> Target:
        """Return what is wanted after Envoy has refused a record of the second release."""
        self.story.traffic = {2: 100}
        self.take(self.story.desired)
        target = self.configuration.target()
        held = self.hold(target.routes if kind == "routes" else target.clusters, kind)
        self.configuration.accept()
        return held


def test_a_refusal_of_clusters_closes_what_is_asked_to_be_guarded_too() -> None:
    gateway = Gateway(DeploymentStory())
    with_access(gateway.story, AccessMode.BASIC, users=(ADA,))

    held = gateway.offer_second_release("clusters")

    assert CLOSED in held.routes[PREFIX]
    assert held.clusters == gateway.good.clusters


@pytest.mark.parametrize("kind", ["routes", "clusters"])
def test_without_other_access_the_last_good_routes_stay(kind: Kind) -> None:
    gateway = Gateway(with_access(DeploymentStory(), AccessMode.BASIC, users=(ADA,)))

    held = gateway.offer_second_release(kind)

    assert held.routes == gateway.good.routes


def test_a_closed_deployment_says_so_under_its_newest_names() -> None:
    gateway = Gateway(DeploymentStory())
    gateway.story.settings = DeploymentSettings(name="numbers")
    access = with_access(DeploymentStory(), AccessMode.BASIC, users=(ADA,)).settings.access
    gateway.story.settings = gateway.story.settings.model_copy(update={"access": access})

    held = gateway.offer_second_release()

    assert list(held.routes) == ["/default/numbers"]
    assert CLOSED in held.routes["/default/numbers"]


def test_a_key_that_gets_an_end_by_a_refused_record_opens_until_then_and_no_longer() -> None:
    key = make_key()
    gateway = Gateway(with_access(DeploymentStory(), AccessMode.KEYS, keys=(key,)))
    ending = key.model_copy(update={"expires_at": AT + timedelta(seconds=60)})
    with_access(gateway.story, AccessMode.KEYS, keys=(ending,))

    until_then = gateway.offer_second_release()
    gateway.moment = AT + timedelta(seconds=60)
    ended = gateway.hold(gateway.configuration.target().routes)

    assert until_then.routes == gateway.good.routes
    assert CLOSED in ended.routes[PREFIX]


def test_a_record_that_arrives_while_envoy_refuses_the_one_before_is_tried_next() -> None:
    gateway = Gateway(DeploymentStory())
    with_access(gateway.story, AccessMode.BASIC, users=(ADA,))
    gateway.take(gateway.story.desired)
    refused = gateway.configuration.target().routes

    gateway.story.traffic = {2: 100}
    gateway.take(gateway.story.desired)
    held = gateway.hold(refused)
    gateway.configuration.accept()
    tried = gateway.configuration.target()
    gateway.configuration.accept()

    assert CLOSED in held.routes[PREFIX]
    assert CLOSED not in tried.routes[PREFIX]
    assert gateway.story.workload(2) in tried.routes[PREFIX]
    assert gateway.configuration.held == {}


def test_a_closed_deployment_that_is_refused_even_so_has_no_routes() -> None:
    gateway = Gateway(DeploymentStory())
    with_access(gateway.story, AccessMode.BASIC, users=(ADA,))
    gateway.take(gateway.story.desired)
    closed = gateway.hold(gateway.configuration.target().routes)

    nothing = gateway.hold(closed.routes)

    assert nothing.routes == {}


def test_what_was_found_in_envoys_files_goes_with_its_deployment() -> None:
    found = Rendered(clusters={"cluster": "text"}, routes={PREFIX: "text"})
    gone = KnownDeployment(group="default", deployment="digits", wanted=Wanted.DELETED, name="digits")

    left = found.serving(gone, Section())

    assert (left.clusters, left.routes, left.deployment) == ({}, {}, gone)
