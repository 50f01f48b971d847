"""Which user has which role in which group, as the groups say; read for every request."""

from collections.abc import Mapping

from slipway_contracts.installation_events import GroupConfigured

from slipway_api.identity.access import Role, role_of


class Memberships:
    """The members of all groups, by user."""

    def __init__(self) -> None:
        self._of_groups: dict[str, dict[str, Role]] = {}
        self._of_users: dict[str, dict[str, Role]] = {}

    def of(self, user: str) -> Mapping[str, Role]:
        """Return the roles of a user by group; what comes back never changes."""
        return self._of_users.get(user, {})

    def take(self, group: GroupConfigured) -> frozenset[str]:
        """Take a group as it is now, and return the users whose role in it changed."""
        before = self._of_groups.get(group.group, {})
        now: dict[str, Role] = {}
        for member in group.members:
            now[member.user] = max(role_of(member.role), now.get(member.user, Role.VIEWER))
        self._of_groups[group.group] = now
        changed = {user for user in before.keys() | now.keys() if before.get(user) != now.get(user)}
        for user in changed:
            roles = {name: role for name, role in self.of(user).items() if name != group.group}
            self._of_users[user] = roles | ({group.group: now[user]} if user in now else {})
        return frozenset(changed)
