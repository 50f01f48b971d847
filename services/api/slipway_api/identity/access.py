"""Keys, users and roles: who may do what where. Keeps no keys and reads nothing."""

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

from slipway_contracts.installation_events import RoleGrant
from slipway_contracts.names import derived_id

from slipway_api.refusing import problems

KEY_PREFIX: Final = "slw_"
ANY_GROUP: Final = "*"
_KEY_BYTES: Final = 32


class Role(IntEnum):
    """Each role may do what the ones before it may."""

    VIEWER = 1
    DEPLOYER = 2
    ADMIN = 3

    @property
    def word(self) -> Literal["viewer", "deployer", "admin"]:
        """The role as users write it."""
        words: tuple[Literal["viewer", "deployer", "admin"], ...] = ("viewer", "deployer", "admin")
        return words[self - 1]


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who a request comes from.

    Attributes:
        grants: of the key.
        memberships: role of the user by group, whichever key is used.
        outdated: set once key or memberships change; what was opened with them then ends.
    """

    key: str
    user: str
    grants: tuple[RoleGrant, ...]
    memberships: Mapping[str, Role] = field(default_factory=dict)
    outdated: asyncio.Event = field(default_factory=asyncio.Event, compare=False, repr=False)

    def role_in(self, group: str) -> Role | None:
        """Return the highest role in this group, of the key or of the membership."""
        return max(self._roles(group), default=None)

    @property
    def groups(self) -> frozenset[str] | None:
        """The groups in which there is a role; None: all of them."""
        granted = {each.group for each in self.grants}
        return None if ANY_GROUP in granted else frozenset(granted | self.memberships.keys())

    def require(self, role: Role, group: str) -> None:
        """Refuse what the key has no role for.

        Raises:
            RoleMissingError: with the role that is needed.
        """
        has = self.role_in(group)
        if has is not None and has >= role:
            return
        where = "all groups" if group == ANY_GROUP else f"group {group}"
        raise problems.RoleMissingError(
            f"This needs the role {role.word} in {where}; your key has {has.word if has else 'none'} there.",
            hint="Ask an admin of this installation for a key with that role.",
            group=group,
            role_needed=role.word,
            role=has.word if has else None,
            user=self.user,
        )

    def _roles(self, group: str) -> Iterable[Role]:
        yield from (role_of(each.role) for each in self.grants if each.group in {ANY_GROUP, group})
        if group in self.memberships:
            yield self.memberships[group]


def role_of(word: str) -> Role:
    """Return the role that users write as this word."""
    return Role[word.upper()]


def new_key() -> str:
    """Return a fresh key with 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def api_key_digest(key: str) -> str:
    """Return what the log keeps of a key."""
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


def key_id(digest: str) -> str:
    """Return the id of the key with this digest."""
    return derived_id("key", digest)
