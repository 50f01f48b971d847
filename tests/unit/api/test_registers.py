"""What the directory remembers of secrets, artifacts and members, in whatever order messages come."""

from datetime import timedelta
from typing import Literal

from slipway_api.identity.access import Principal, Role
from slipway_api.identity.memberships import Memberships
from slipway_api.installation.registers import ArtifactRegister, SecretRegister
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import (
    ArtifactAdopted,
    ArtifactHidden,
    ArtifactUploaded,
    GroupConfigured,
    Member,
    RoleGrant,
    SecretConfigured,
)
from slipway_contracts.names import derived_id

_AT = now()
_NAME = "token"
_DIGEST = f"sha256:{1:064x}"
Word = Literal["viewer", "deployer", "admin"]


def secret(version: int, *, removed: bool = False) -> SecretConfigured:
    return SecretConfigured(group="default", secret=_NAME, version=version, removed=removed, by="ada")


def members(group: str, **roles: Word) -> GroupConfigured:
    listed = tuple(Member(user=user, role=role) for user, role in roles.items())
    return GroupConfigured(group=group, members=listed)


def test_the_newest_version_counts_however_the_messages_come() -> None:
    register = SecretRegister()

    register.take(secret(2), _AT)
    register.take(secret(1), _AT + timedelta(seconds=1))

    known = register.find("default", _NAME)
    assert known is not None
    assert known.version == 2


def test_a_removed_secret_is_listed_no_more_and_its_versions_stay_gone() -> None:
    register = SecretRegister()
    register.take(secret(1), _AT)
    register.take(secret(1, removed=True), _AT)
    listed = register.of("default")

    register.take(secret(2), _AT)

    known = register.find("default", _NAME)
    assert listed == []
    assert known is not None
    assert (known.has(1), known.has(2), known.has(3)) == (False, True, False)


def test_a_version_that_a_removal_named_stays_gone_when_it_is_announced_late() -> None:
    register = SecretRegister()

    register.take(secret(3, removed=True), _AT)
    register.take(secret(3), _AT)

    assert register.of("default") == []


def test_a_hidden_artifact_is_shown_again_when_it_is_adopted_anew() -> None:
    register = ArtifactRegister()
    adopted = ArtifactAdopted(group="default", digest=_DIGEST, name="model", size_bytes=1, by="ada")
    register.take(adopted, _AT)
    register.take(ArtifactHidden(group="default", digest=_DIGEST, hidden=True, by="ada"), _AT)
    hidden = register.is_hidden("default", _DIGEST)

    register.take(adopted, _AT)

    assert hidden
    assert not register.is_hidden("default", _DIGEST)
    assert not register.is_hidden("other", _DIGEST)


def test_a_group_has_what_it_sent_or_adopted_and_not_what_it_only_hid() -> None:
    register = ArtifactRegister()
    register.take(ArtifactUploaded(group="sent", digest=_DIGEST, size_bytes=1, by="ada"), _AT)
    register.take(ArtifactAdopted(group="adopted", digest=_DIGEST, name="m", size_bytes=1, by="ada"), _AT)
    register.take(ArtifactHidden(group="hidden", digest=_DIGEST, hidden=True, by="ada"), _AT)

    having = [group for group in ("sent", "adopted", "hidden", "other") if register.has(group, _DIGEST)]

    assert having == ["sent", "adopted"]
    assert register.adopted("sent") == []


def test_only_those_whose_role_changed_are_named() -> None:
    memberships = Memberships()
    memberships.take(members("a", ada="admin", bob="viewer"))

    changed = memberships.take(members("a", ada="admin", bob="deployer", eve="viewer"))

    assert changed == {"bob", "eve"}
    assert memberships.of("bob") == {"a": Role.DEPLOYER}


def test_a_removed_member_keeps_the_roles_in_other_groups() -> None:
    memberships = Memberships()
    memberships.take(members("a", ada="admin"))
    memberships.take(members("b", ada="viewer"))

    memberships.take(members("a"))

    assert memberships.of("ada") == {"b": Role.VIEWER}


def test_the_larger_of_grant_and_membership_counts() -> None:
    principal = Principal(
        key=derived_id("key"),
        user="ada",
        grants=(RoleGrant(group="a", role="admin"), RoleGrant(group="b", role="viewer")),
        memberships={"a": Role.VIEWER, "b": Role.DEPLOYER, "c": Role.VIEWER},
    )

    roles = [principal.role_in(group) for group in ("a", "b", "c", "d")]

    assert roles == [Role.ADMIN, Role.DEPLOYER, Role.VIEWER, None]
    assert principal.groups == frozenset({"a", "b", "c"})


def test_a_grant_for_all_groups_names_none() -> None:
    principal = Principal(
        key=derived_id("key"), user="ada", grants=(RoleGrant(group="*", role="viewer"),), memberships={}
    )

    assert principal.groups is None
