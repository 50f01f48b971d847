"""Names in the URL paths of a group: ids and names of its deployments share one namespace.

A claim is a message on the name's own subject, published with the command that needs it and guarded by what
was last there: of several that race for a name, one wins.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from slipway_chassis.event_log import EventLog, Expect, Outgoing, Stored
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import NameClaimed
from slipway_contracts.lifecycle import Wanted
from slipway_contracts.names import derived_id

from slipway_api.refusing import problems
from slipway_api.refusing.unreadable import read
from slipway_api.submitting.idempotency import Ask
from slipway_api.submitting.lanes import load_desired, load_lane
from slipway_api.submitting.outgoing import outgoing_for


class Holder(NamedTuple):
    """The deployment that has a name: its id, and what it is called as far as is known."""

    id: str
    name: str


class Names:
    """Claims names.

    Args:
        log: where claims are.
    """

    def __init__(self, *, log: EventLog) -> None:
        self._log = log

    async def claims(self, ask: Ask, group: str, deployment: str, names: Sequence[str]) -> list[Outgoing]:
        """Return the claims to publish in the batch of the command that needs these names.

        Raises:
            NameTakenError: another deployment has one of them.
            RecordUnreadableError: whether one has is said by a record of a newer release.
        """
        return [await self._claim(ask, group, deployment, name) for name in dict.fromkeys(names)]

    async def _claim(self, ask: Ask, group: str, deployment: str, name: str) -> Outgoing:
        at = now()
        last = await self._log.last(subjects.name_claim(group, name))
        holder = await self._holder(group, deployment, name, last, at)
        if holder is not None:
            raise _taken(group, name, holder)
        claim = NameClaimed(group=group, name=name, deployment=deployment)
        expect = Expect(sequence=last.sequence if last else 0)
        return outgoing_for(ask, claim, identifier=derived_id(ask.id, "claim", name), at=at, expect=expect)

    async def _holder(
        self, group: str, deployment: str, name: str, last: Stored | None, at: datetime
    ) -> Holder | None:
        """Return the other deployment that has this name."""
        claim = read(last) if last is not None else None
        if isinstance(claim, NameClaimed) and last is not None and claim.deployment != deployment:
            desired = await load_desired(self._log, group, claim.deployment)
            # The command that came with the claim may not be decided yet.
            if desired is None or desired.position < last.sequence or uses(desired, name, at):
                return Holder(claim.deployment, desired.name if desired else name)
        if name != deployment and await self._is_id(group, name):
            desired = await load_desired(self._log, group, name)
            return Holder(name, desired.name if desired else name)
        return None

    async def _is_id(self, group: str, name: str) -> bool:
        """Say whether a deployment has this id: also one that was made before ids were claimed."""
        lane = await load_lane(self._log, group, name)
        return lane.asked is not None and (lane.asked is not Wanted.PURGED or lane.purging)


def uses(desired: Desired, name: str, at: datetime) -> bool:
    """Say whether a deployment is called, or was called until a while ago, by this name."""
    if desired.wanted is Wanted.PURGED:
        return False
    former = {each.name for each in desired.former_names if each.until > at}
    return name in {desired.deployment, desired.name} | former


def _taken(group: str, name: str, holder: Holder) -> problems.NameTakenError:
    called = holder.name if holder.name == holder.id else f"{holder.name} (id {holder.id})"
    return problems.NameTakenError(
        f"The name {name} of group {group} belongs to the deployment {called}.",
        hint="Choose another name. A name is free again once its deployment has another one and the time is "
        "over in which it is still routed, or once the deployment is purged.",
        group=group,
        name=name,
        holder=holder.id,
        holder_name=holder.name,
    )
