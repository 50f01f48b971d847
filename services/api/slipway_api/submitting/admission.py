"""Admission: whether a command may let more run, by its group's switch and quota and by its target's room.

What is admitted is reserved before its command is published, so that of many commands at once, in several api
processes, no more are accepted than there is room for, however far the projection is behind.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from slipway_chassis.event_log import EventLog
from slipway_chassis.logs import get_logger
from slipway_contracts import subjects
from slipway_contracts.asking import asked_by, peak, targets_of
from slipway_contracts.commands import AnyDeployerCommand, Command, Pin, SetAlias, Undelete
from slipway_contracts.envelope import new_id
from slipway_contracts.installation_events import Quota
from slipway_contracts.quota import Charge
from slipway_store.connections import DatabaseUnavailableError

from slipway_api.installation.directory import Directory, TargetKnown
from slipway_api.refusing import problems
from slipway_api.submitting.confirmations import Confirmations
from slipway_api.submitting.reservations import Judge, Reservations, ReservationWish, Use
from slipway_api.submitting.room import DIGITS, ROUNDING, allocatable, beyond, said
from slipway_api.submitting.standing import Standing, load_standing

_ATTEMPTS: Final = 2
_SETTLING_SECONDS: Final = 10.0
_log: Final = get_logger()


@dataclass(frozen=True, kw_only=True)
class Admitted:
    """A command that may be published.

    Attributes:
        reservations: ids of what was reserved, one of each target.
        notices: what the user should know: a target may have less than its replicas ask for.
    """

    reservations: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


class Admission:
    """Admits commands.

    Args:
        log: holds what deployments have now.
        directory: knows groups and targets.
        reservations: what accepted commands hold.
        patience: longest wait for Postgres where it can be done without.
    """

    def __init__(
        self, *, log: EventLog, directory: Directory, reservations: Reservations, patience: timedelta
    ) -> None:
        self._log = log
        self._directory = directory
        self._reservations = reservations
        self._confirmations = Confirmations(reservations=reservations)
        self._patience = patience.total_seconds()

    async def admit(
        self,
        command: Command,
        *,
        identifier: str,
        behind: int,
        standing: Standing | None = None,
        keep: bool = True,
    ) -> Admitted:
        """Reserve what a command needs; with `keep=False` only say whether it could be had.

        Args:
            command: decided, not published yet.
            identifier: id of the command.
            behind: last sequence of its deployment's lane; its publishing must expect that.
            standing: where the deployment stands, if that was read behind that sequence already.
            keep: whether the command will be published.

        Raises:
            DeploymentsDisabledError: the group may not deploy.
            QuotaExceededError: the group would hold more than it may.
            CapacityExceededError: a target has no room.
            AdmissionUnavailableError: that cannot be said now.
        """
        if not isinstance(command, AnyDeployerCommand):
            return Admitted()
        if asked_by(None, command) is None:
            return Admitted()
        stands, _ = await asyncio.gather(
            self._standing(command, behind, standing),
            self._directory.current(subjects.group_events(command.group, "group")),
        )
        self._require_enabled(command)
        charge = asked_by(stands.desired, command, stands.pending) or Charge()
        admitted = Admitted()
        for target in targets_of(command) or (None,):
            wish = ReservationWish(
                id=new_id(),
                command=identifier,
                group=command.group,
                deployment=command.deployment,
                target=target,
                charge=charge,
                behind=behind,
            )
            most = peak(stands.desired, command, target, stands.pending) if target else Charge()
            try:
                reserved, notices = await self._reserve(wish, most, keep=keep)
            except BaseException:
                # Also when the client went away: what was reserved of other targets would wait for the sweep.
                await asyncio.shield(self.withdraw(admitted))
                raise
            admitted = replace(
                admitted,
                reservations=(*admitted.reservations, *reserved),
                notices=(*admitted.notices, *notices),
            )
        return admitted

    async def _standing(self, command: AnyDeployerCommand, behind: int, known: Standing | None) -> Standing:
        if known is not None:
            return known
        if behind == 0:
            return Standing(group=command.group, deployment=command.deployment)
        return await load_standing(self._log, command.group, command.deployment)

    def confirm(self, admitted: Admitted, sequence: int) -> None:
        """Let it be remembered where the log has the command; if that cannot be done, the sweep does it."""
        for each in admitted.reservations:
            self._confirmations.add(each, sequence)

    async def withdraw(self, admitted: Admitted) -> None:
        """Give back what was reserved for a command that is surely not in the log."""
        for each in admitted.reservations:
            await self._if_possible(self._reservations.drop(each))

    async def _reserve(
        self, wish: ReservationWish, most: Charge, *, keep: bool
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the id of what was reserved, if it was, and what the user should know.

        Of a deployment that runs on several targets each counts all of its charge, until the projection holds
        the command: of the group it counts once.
        """
        quota = self._quota(wish.group)
        target = self._directory.target(wish.target) if wish.target is not None else None

        notices: tuple[str, ...] = ()

        def judge(of_group: Use, of_target: Use | None) -> None:
            nonlocal notices
            _check_quota(wish, quota, of_group)
            if target is not None and of_target is not None:
                _check_capacity(wish, target, most, of_target)
                notices = beyond(target.announced, of_target.all, _with(of_target, wish.charge))

        if _is_limited(quota):
            await self._counted(wish, judge, keep=keep)
        elif not await self._counted_in_time(wish, judge, keep=keep):
            return (), ()
        return ((wish.id,) if keep else ()), notices

    async def _counted(self, wish: ReservationWish, judge: Judge, *, keep: bool) -> None:
        for left in reversed(range(_ATTEMPTS)):
            try:
                return await self._reservations.reserve(wish, judge, keep=keep)
            except DatabaseUnavailableError as error:
                if not left:
                    raise _unavailable(wish, error) from error
        return None

    async def _counted_in_time(self, wish: ReservationWish, judge: Judge, *, keep: bool) -> bool:
        """Count where there is no limit, for the limits to come and the target's room; go on without."""
        try:
            async with asyncio.timeout(self._patience):
                await self._reservations.reserve(wish, judge, keep=keep, durable=False)
        except (DatabaseUnavailableError, TimeoutError) as error:
            _log.warning("admits without counting", group=wish.group, because=repr(error))
            return False
        return True

    def _require_enabled(self, command: AnyDeployerCommand) -> None:
        group = self._directory.group(command.group)
        starts_nothing = isinstance(command, Undelete) or (
            isinstance(command, SetAlias | Pin) and not command.restored
        )
        if group is None or group.configured.deployments_enabled or starts_nothing:
            return
        raise problems.DeploymentsDisabledError(
            f"Deployments are switched off for group {command.group}; what runs goes on, and can be read, "
            "stopped and deleted.",
            hint="Ask an admin of this installation to switch them on: "
            f"PUT /v1/groups/{command.group} with deployments_enabled.",
            group=command.group,
        )

    def _quota(self, group: str) -> Quota:
        known = self._directory.group(group)
        return known.configured.quota if known is not None else Quota()

    async def _if_possible(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(_SETTLING_SECONDS):
                await work
        except (DatabaseUnavailableError, TimeoutError) as error:
            _log.warning("leaves a reservation to the sweep", because=repr(error))


def _is_limited(quota: Quota) -> bool:
    return any(limit is not None for limit in quota.model_dump().values())


def _check_quota(wish: ReservationWish, quota: Quota, use: Use) -> None:
    for resource, limit in quota.model_dump().items():
        used = getattr(use.all, resource)
        asked = round(getattr(wish.charge, resource) - getattr(use.own, resource), DIGITS)
        if limit is None or asked <= ROUNDING or used + asked <= limit + ROUNDING:
            continue
        raise problems.QuotaExceededError(
            f"Group {wish.group} may hold {said(limit, resource)}; it holds {said(used, resource)}, "
            f"and this asks for {said(asked, resource)} more.",
            hint="Stop or delete what is not needed, ask for less, or ask an admin for a larger quota.",
            group=wish.group,
            deployment=wish.deployment,
            resource=resource,
            asked=asked,
            used=used,
            limit=limit,
        )


def _check_capacity(wish: ReservationWish, target: TargetKnown, most: Charge, use: Use) -> None:
    for resource, whole in allocatable(target.announced).items():
        used, own = getattr(use.all, resource), getattr(use.own, resource)
        asked = round(getattr(most, resource) - own, DIGITS)
        free = max(round(whole - used, DIGITS), 0)
        if asked <= ROUNDING or asked <= free + ROUNDING:
            continue
        name = target.announced.target
        raise problems.CapacityExceededError(
            f"Target {name} has {said(free, resource)} free of {said(whole, resource)}; "
            f"this needs {said(asked, resource)} more while it takes effect.",
            hint="Ask for less, free room on the target, or choose another one; with strategy in-place the "
            "old replicas end before the new ones start, so that nothing answers in between.",
            group=wish.group,
            deployment=wish.deployment,
            target=name,
            resource=resource,
            asked=asked,
            used=used,
            free=free,
            allocatable=whole,
        )


def _with(use: Use, wanted: Charge) -> Charge:
    """Return what all hold once one deployment holds what it wants in the place of what it has."""
    return Charge(
        **{
            name: amount - getattr(use.own, name) + getattr(wanted, name)
            for name, amount in use.all.model_dump().items()
        }
    )


def _unavailable(wish: ReservationWish, error: Exception) -> problems.AdmissionUnavailableError:
    return problems.AdmissionUnavailableError(
        f"Group {wish.group} has limits, and Postgres, where its use is counted, does not answer: {error}. "
        "Nothing was changed.",
        hint="Look whether Postgres runs, then repeat the request; stop and delete work meanwhile.",
        group=wish.group,
        outcome="nothing",
    )
