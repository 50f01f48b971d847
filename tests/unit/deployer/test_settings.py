"""Settings that the gateways have to know are done when every gateway has applied them, and not before."""

from deployment_world import World, live_world, make_configure, make_redeploy, make_version
from slipway_contracts.access import Access, AccessMode
from slipway_contracts.commands import Configure
from slipway_contracts.events import OperationFailed, OperationSucceeded
from slipway_contracts.failure import Reason


def ended(world: World, operation: str) -> list[str]:
    return [
        each.type
        for each in world.told
        if isinstance(each, OperationSucceeded | OperationFailed) and each.operation == operation
    ]


def guarded(name: str | None = None) -> Configure:
    return make_configure(access=Access(mode=AccessMode.KEYS), name=name)


def test_a_change_of_access_is_done_when_the_gateways_have_applied_it() -> None:
    world = live_world()

    operation = world.send(guarded())
    before = ended(world, operation)
    world.apply_gateway()

    assert before == []
    assert ended(world, operation) == ["operation.succeeded.v1"]
    assert world.record.settling == ()


def test_a_change_of_the_name_is_done_when_the_gateways_have_applied_it() -> None:
    world = live_world()

    operation = world.send(make_configure(name="numbers"))
    before = ended(world, operation)
    world.apply_gateway()

    assert before == []
    assert ended(world, operation) == ["operation.succeeded.v1"]


def test_what_the_gateways_need_not_know_is_done_at_once() -> None:
    world = live_world()

    operation = world.send(make_configure(description="reads digits", stop_deadline_seconds=7))

    assert ended(world, operation) == ["operation.succeeded.v1"]


def test_several_changes_are_done_together_and_each_once() -> None:
    world = live_world()

    operations = [world.send(guarded()), world.send(guarded("numbers"))]
    world.send(make_redeploy(make_version(2)))
    world.apply_gateway()
    world.apply_gateway()

    assert [ended(world, each) for each in operations] == [["operation.succeeded.v1"]] * 2


def test_settings_that_no_gateway_applies_in_time_stand_and_say_so() -> None:
    world = live_world()

    operation = world.send(guarded())
    world.wait(61)
    failed = world.last(OperationFailed)
    world.apply_gateway()

    assert (failed.operation, failed.failure.reason) == (operation, Reason.TRAFFIC_NOT_ROUTED)
    assert ended(world, operation) == ["operation.failed.v1"]
    assert world.record.settings.access.mode is AccessMode.KEYS
