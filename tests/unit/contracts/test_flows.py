import pytest
from slipway_contracts.flows import channel_of, covers, parameters_of

REPLICA = "slipway.{group}.{deployment}.replica.{workload}.{replica}"


@pytest.mark.parametrize(
    ("filter_", "address", "taken"),
    [
        ("slipway.*.*.evt.release.*", "slipway.{group}.{deployment}.evt.release.ready", True),
        ("slipway.*.*.evt.release.ready", "slipway.{group}.{deployment}.evt.release.ready", True),
        ("slipway.*.*.evt.release.*", "slipway.{group}.{deployment}.evt.release", False),
        ("slipway.*.*.evt.release", "slipway.{group}.{deployment}.evt.release.ready", False),
        ("slipway.*._.evt.group.*", "slipway.{group}._.evt.group.configured", True),
        ("slipway.*._.evt.group.*", "slipway.{group}.{deployment}.evt.group.configured", False),
        ("slipway._._.evt.key.*", "slipway.{group}._.evt.key.configured", False),
        ("slipway.*.*.replica.>", REPLICA, True),
        ("slipway.*.*.replica.*", REPLICA, False),
        ("slipway.*.*.replica.>", "slipway.{group}.{deployment}.replica", False),
        (">", REPLICA, True),
    ],
)
def test_a_filter_takes_what_nats_would_give_it(filter_: str, address: str, taken: bool) -> None:
    assert covers([filter_], address) is taken


def test_a_channel_is_named_by_what_is_the_same_in_every_message() -> None:
    assert channel_of(REPLICA) == "replica"
    assert channel_of("slipway.{group}._.evt.name.{name}") == "evt.name"
    assert parameters_of(REPLICA) == ("group", "deployment", "workload", "replica")
