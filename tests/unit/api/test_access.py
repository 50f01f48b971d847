"""Roles, keys and the ids that make repeats harmless."""

import pytest
from slipway_api.identity.access import KEY_PREFIX, Principal, Role, api_key_digest, key_id, new_key
from slipway_api.refusing import problems
from slipway_api.submitting.idempotency import command_id, request_digest
from slipway_contracts.installation_events import RoleGrant


def make_principal(**roles: str) -> Principal:
    grants = tuple(
        RoleGrant.model_validate({"group": group.replace("any", "*"), "role": role})
        for group, role in roles.items()
    )
    return Principal(key="k", user="ada", grants=grants)


@pytest.mark.parametrize(
    ("roles", "needed", "group", "allowed"),
    [
        ({"vision": "viewer"}, Role.VIEWER, "vision", True),
        ({"vision": "viewer"}, Role.DEPLOYER, "vision", False),
        ({"vision": "deployer"}, Role.VIEWER, "vision", True),
        ({"vision": "admin"}, Role.DEPLOYER, "vision", True),
        ({"vision": "admin"}, Role.VIEWER, "speech", False),
        ({"vision": "admin"}, Role.ADMIN, "*", False),
        ({"any": "deployer"}, Role.DEPLOYER, "vision", True),
        ({"any": "viewer", "vision": "deployer"}, Role.DEPLOYER, "vision", True),
        ({"any": "viewer", "vision": "deployer"}, Role.DEPLOYER, "speech", False),
        ({"any": "admin"}, Role.ADMIN, "*", True),
        ({}, Role.VIEWER, "vision", False),
    ],
)
def test_a_role_allows_what_the_lower_ones_allow_in_its_group_only(
    roles: dict[str, str], needed: Role, group: str, allowed: bool
) -> None:
    principal = make_principal(**roles)

    if allowed:
        principal.require(needed, group)
        return
    with pytest.raises(problems.RoleMissingError) as refused:
        principal.require(needed, group)
    assert refused.value.members["role_needed"] == needed.word


def test_keys_are_long_and_differ_and_their_ids_follow_from_them() -> None:
    keys = {new_key() for _ in range(100)}

    assert len(keys) == 100
    assert all(key.startswith(KEY_PREFIX) and len(key) >= 47 for key in keys)
    assert len({key_id(api_key_digest(key)) for key in keys}) == 100
    assert api_key_digest("slw_a") == api_key_digest("slw_a")


def test_an_id_follows_from_user_route_and_key() -> None:
    ada, bob = make_principal(), Principal(key="k", user="bob", grants=())
    first = command_id(ada, "POST /v1/x", "once")

    assert command_id(ada, "POST /v1/x", "once") == first
    others = [
        command_id(bob, "POST /v1/x", "once"),
        command_id(ada, "POST /v1/y", "once"),
        command_id(ada, "POST /v1/x", "twice"),
        command_id(ada, "POST /v1/x", None),
    ]
    assert len({first, *others}) == 5
    assert command_id(ada, "POST /v1/x", None) != command_id(ada, "POST /v1/x", None)


def test_the_digest_of_a_request_does_not_depend_on_its_spelling() -> None:
    assert request_digest("r", {"a": 1, "b": [2]}) == request_digest("r", {"b": [2], "a": 1})
    assert request_digest("r", {"a": 1}) != request_digest("r", {"a": 2})
    assert request_digest("r", {"a": 1}) != request_digest("s", {"a": 1})
    assert request_digest("r", {"b": [1, 2]}) != request_digest("r", {"b": [2, 1]})
