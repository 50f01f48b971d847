"""Groups: configured, and listed with what they hold of their quota."""

from collections.abc import Sequence
from typing import Final

from slipway_chassis.errors import ConflictError
from slipway_chassis.event_log import Expect
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.installation_events import GroupConfigured
from slipway_contracts.quota import Charge
from slipway_store.connections import DatabaseUnavailableError

from slipway_api.answers.installation_views import GroupDetail
from slipway_api.identity.access import ANY_GROUP, Principal, Role
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory, GroupKnown
from slipway_api.refusing import problems
from slipway_api.submitting.reservations import Reservations

_ATTEMPTS: Final = 8
_log: Final = get_logger()


class Groups:
    """Configures and shows groups.

    Args:
        configuring: puts them into the log.
        directory: knows them.
        reservations: knows what they hold.
    """

    def __init__(self, *, configuring: Configuring, directory: Directory, reservations: Reservations) -> None:
        self._configuring = configuring
        self._directory = directory
        self._reservations = reservations

    async def put(self, caller: Principal, wanted: GroupConfigured, if_match: int | None) -> GroupDetail:
        """Let a group be as wanted, from the return of this on.

        An admin of the installation may change everything, an admin of the group its members only.

        Raises:
            RoleMissingError: the caller may not change what differs.
            PreconditionFailedError: the group was changed since it had that ETag.
            ChangedMeanwhileError: others changed it, each time it was tried.
        """
        for _ in range(_ATTEMPTS):
            await self._directory.current(subjects.of(wanted))
            known = self._directory.group(wanted.group)
            sequence = known.sequence if known else 0
            self._check(caller, wanted, known, if_match)
            if known is None or known.configured != wanted:
                try:
                    await self._configuring.publish(wanted, expect=Expect(sequence=sequence))
                except ConflictError:
                    continue
            return await self.show(caller, wanted.group)
        raise problems.ChangedMeanwhileError(
            f"Others changed group {wanted.group} first, {_ATTEMPTS} times in a row.",
            hint="Look at what the others did, then try again.",
            attempts=_ATTEMPTS,
        )

    async def show(self, caller: Principal, name: str) -> GroupDetail:
        """Return a group.

        Raises:
            RoleMissingError: the caller has no role in it.
            GroupNotFoundError: there is none.
        """
        caller.require(Role.VIEWER, name)
        known = self._directory.group(name)
        if known is None:
            raise problems.GroupNotFoundError(
                f"There is no group {name}.", hint="List yours with GET /v1/groups.", group=name
            )
        return next(iter(await self._shown(caller, [known])))

    async def all(self, caller: Principal) -> list[GroupDetail]:
        """Return the groups in which the caller has a role, by name."""
        known = self._directory.groups()
        return await self._shown(caller, [each for each in known if caller.role_in(each.configured.group)])

    async def _shown(self, caller: Principal, known: Sequence[GroupKnown]) -> list[GroupDetail]:
        use = await self._use([each.configured.group for each in known])
        return [
            GroupDetail(
                name=each.configured.group,
                description=each.configured.description,
                role=role.word,
                deployments_enabled=each.configured.deployments_enabled,
                quota=each.configured.quota,
                use=None if use is None else use.get(each.configured.group, Charge()),
                members=list(each.configured.members),
                etag=str(each.sequence),
            )
            for each in known
            if (role := caller.role_in(each.configured.group)) is not None
        ]

    async def _use(self, names: Sequence[str]) -> dict[str, Charge] | None:
        try:
            return await self._reservations.of_groups(names)
        except DatabaseUnavailableError as error:
            _log.warning("shows groups without their use", because=str(error))
            return None

    @staticmethod
    def _check(
        caller: Principal, wanted: GroupConfigured, known: GroupKnown | None, if_match: int | None
    ) -> None:
        sequence = known.sequence if known else 0
        if known is None or known.configured.model_copy(update={"members": wanted.members}) != wanted:
            caller.require(Role.ADMIN, ANY_GROUP)
        caller.require(Role.ADMIN, wanted.group)
        if if_match is not None and if_match != sequence:
            raise problems.PreconditionFailedError(
                f"Group {wanted.group} was changed: its ETag is {sequence}, not {if_match}.",
                hint="Read the group again, look at what changed, and repeat with the new ETag.",
                etag=sequence,
                if_match=if_match,
            )
