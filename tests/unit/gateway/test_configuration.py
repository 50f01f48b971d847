"""From records and the clock to what Envoy should serve."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway_world import AT, DeploymentStory, stored
from slipway_contracts.access import Access, AccessMode, EndpointKey
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.envelope import new_id
from slipway_contracts.lifecycle import Wanted
from slipway_gateway.configuration import Configuration
from slipway_gateway.known import Known


@dataclass
class Clock:
    moment: datetime = AT

    def __call__(self) -> datetime:
        return self.moment


def named(identifier: str, name: str | None = None, **former: float) -> DeploymentStory:
    """A deployment with former names, each with the seconds that it has left."""
    story = DeploymentStory(deployment=identifier)
    story.add_release(1)
    story.traffic = {1: 100}
    story.settings = DeploymentSettings(name=name)
    story.former_names = tuple(
        FormerName(name=each, until=AT + timedelta(seconds=seconds)) for each, seconds in former.items()
    )
    return story


def test_a_deployment_is_called_by_its_names_and_by_its_id_only_where_that_is_one() -> None:
    configuration = Configuration(Known(), clock=Clock())

    configuration.take(stored(1, named("one", "shop", store=60, past=-1).desired))

    assert set(configuration.target().routes) == {"/default/shop", "/default/store"}


def test_a_former_name_ends_with_its_time_and_without_a_record() -> None:
    clock = Clock()
    configuration = Configuration(Known(), clock=clock)
    configuration.take(stored(1, named("one", "shop", one=60, store=120).desired))
    configuration.target()
    ends = []

    for seconds in (59, 60, 119, 120):
        clock.moment = AT + timedelta(seconds=seconds)
        ends.append(set(configuration.target().routes))

    assert ends == [
        {"/default/shop", "/default/one", "/default/store"},
        {"/default/shop", "/default/store"},
        {"/default/shop", "/default/store"},
        {"/default/shop"},
    ]


def test_a_former_name_ends_also_for_a_gateway_that_was_started_from_its_snapshot() -> None:
    known, clock = Known(), Clock()
    known.take(named("one", "shop", one=60).desired)
    configuration = Configuration(Known.load(known.dump().joined()), clock=clock)
    before = set(configuration.target().routes)

    clock.moment = AT + timedelta(seconds=60)

    assert before == {"/default/shop", "/default/one"}
    assert set(configuration.target().routes) == {"/default/shop"}


def test_a_key_ends_with_its_time_whatever_its_token_says_and_without_a_record() -> None:
    lasting, rotated, past = (
        EndpointKey(id=new_id(), name="ci", created_at=AT, created_by="ada", expires_at=end)
        for end in (None, AT + timedelta(seconds=60), AT - timedelta(seconds=1))
    )
    story = named("one")
    access = Access(mode=AccessMode.KEYS, keys=(lasting, rotated, past))
    story.settings = DeploymentSettings(access=access)
    known, clock = Known(), Clock()
    known.take(story.desired)
    configuration = Configuration(Known.load(known.dump().joined()), checks_keys=True, clock=clock)
    open_keys = []

    for seconds in (0, 59, 60):
        clock.moment = AT + timedelta(seconds=seconds)
        routes = configuration.target().routes["/default/one"]
        open_keys.append([key.id for key in (lasting, rotated, past) if key.id in routes])

    assert open_keys == [[lasting.id, rotated.id], [lasting.id, rotated.id], [lasting.id]]


def test_a_name_that_another_takes_over_moves_with_one_target() -> None:
    configuration = Configuration(Known(), clock=Clock())
    one, two = named("one", "shop"), named("two")
    for sequence, story in enumerate((one, two), start=1):
        configuration.take(stored(sequence, story.desired))
    before = configuration.target().routes

    configuration.take(stored(3, named("one", "new", shop=60).desired))
    renamed = configuration.target().routes
    configuration.take(stored(4, named("two", "shop").desired))
    taken = configuration.target().routes

    assert set(before) == {"/default/shop", "/default/two"}
    assert set(renamed) == {"/default/new", "/default/shop", "/default/two"}
    assert set(taken) == {"/default/new", "/default/shop"}
    assert '"two"' in taken["/default/shop"]


def test_a_deployment_that_ends_leaves_its_names_to_others() -> None:
    configuration = Configuration(Known(), clock=Clock())
    one, two = named("one", "shop"), named("two", "new", shop=60)
    for sequence, story in enumerate((one, two), start=1):
        configuration.take(stored(sequence, story.desired))

    for sequence, wanted in enumerate((Wanted.STOPPED, Wanted.DELETED, Wanted.PURGED), start=3):
        one.wanted = wanted
        configuration.take(stored(sequence, one.desired))
        owner = "one" if wanted is Wanted.STOPPED else "two"

        assert f'"{owner}"' in configuration.target().routes["/default/shop"]
