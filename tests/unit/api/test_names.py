"""Which names a deployment keeps from others."""

from datetime import timedelta
from typing import Any

from slipway_api.submitting.names import uses
from slipway_contracts.deployment_settings import DeploymentSettings, FormerName
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.lifecycle import Wanted

_NOW = now()


def make_desired(**overrides: Any) -> Desired:
    values: dict[str, Any] = {
        "group": "default",
        "deployment": "digits",
        "position": 1,
        "settings": DeploymentSettings(name="numbers"),
        "former_names": (
            FormerName(name="figures", until=_NOW + timedelta(hours=1)),
            FormerName(name="ciphers", until=_NOW - timedelta(hours=1)),
        ),
    }
    return Desired(**(values | overrides))


def test_id_name_and_a_former_name_that_is_still_routed_are_kept() -> None:
    desired = make_desired()

    kept = [uses(desired, name, _NOW) for name in ("digits", "numbers", "figures")]

    assert kept == [True, True, True]


def test_a_former_name_is_free_once_it_is_not_routed_any_more() -> None:
    assert not uses(make_desired(), "ciphers", _NOW)


def test_a_deleted_deployment_keeps_its_names_and_a_purged_one_none() -> None:
    deleted = make_desired(wanted=Wanted.DELETED, ended=True)
    purged = make_desired(wanted=Wanted.PURGED, ended=True)

    assert uses(deleted, "numbers", _NOW)
    assert not uses(purged, "digits", _NOW)
