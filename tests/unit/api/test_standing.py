"""Where a deployment stands, from its last decision and the commands behind it."""

from typing import Any

from slipway_api.submitting.standing import Standing
from slipway_contracts.commands import (
    AnyDeployerCommand,
    Configure,
    Delete,
    Deploy,
    Pin,
    RemoveAlias,
    SetAlias,
    Stop,
    Undelete,
)
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.names import derived_id
from slipway_contracts.traffic import AliasRoute, ReleaseRequest, TrafficShare

OWNER: dict[str, Any] = {"group": "default", "deployment": "digits"}
ASKED: dict[str, Any] = {**OWNER, "by": "ada", "request_digest": "x"}
DEPLOY = Deploy(**ASKED, request=ReleaseRequest(build=derived_id("build")))
SHARES = (TrafficShare(release=1, weight=100),)


def standing(*commands: AnyDeployerCommand, **desired: Any) -> Standing:
    decided = Desired(**{**OWNER, "position": 1, "traffic": SHARES, **desired})
    return Standing.of("default", "digits", decided, commands)


def test_a_create_after_a_delete_begins_from_nothing() -> None:
    settings = DeploymentSettings(name="old")
    pending = standing(Delete(**ASKED), DEPLOY, settings=settings)
    decided = standing(DEPLOY, wanted=Wanted.DELETED, settings=settings)

    for each in (pending, decided):
        assert each.desired is None
        assert each.settings == DeploymentSettings()
        assert each.shares_of("live") == ()


def test_an_undelete_brings_back_what_was() -> None:
    back = standing(Delete(**ASKED), Undelete(**ASKED), settings=DeploymentSettings(name="old"))

    assert back.settings.name == "old"
    assert back.shares_of("live") == SHARES


def test_the_newest_settings_hold_before_they_are_decided() -> None:
    first, second = (Configure(**ASKED, settings=DeploymentSettings(name=each)) for each in ("a", "b"))

    assert standing(first, second, settings=DeploymentSettings(name="old")).settings.name == "b"


def test_aliases_and_pins_count_from_their_commands_on() -> None:
    aliases = (AliasRoute(alias="staging", shares=SHARES),)
    commands = (
        SetAlias(**ASKED, alias="canary", shares=SHARES),
        RemoveAlias(**ASKED, alias="staging"),
        Pin(**ASKED, release=3, pinned=True),
        Pin(**ASKED, release=2, pinned=False),
    )

    found = standing(*commands, aliases=aliases, pins=(2,))

    assert found.aliases == {"live", "canary"}
    assert found.pins == {3}


def test_what_was_parked_is_where_the_aliases_pointed() -> None:
    parked = (AliasRoute(alias="live", shares=SHARES),)

    assert standing(traffic=(), parked=parked, wanted=Wanted.STOPPED).shares_of("live") == SHARES
    assert standing(Stop(**ASKED)).stopping
    assert not standing().stopping
