"""Deadlines that passed, or went on, while no deployer was there to judge: that time does not count. Pure."""

from datetime import datetime, timedelta
from typing import Final

from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import UNFINISHED_RELEASES

UNATTENDED: Final = timedelta(seconds=15)
"""A gap from which on a deployer that starts takes it that none was there."""


def postponed(desired: Desired, *, decided_at: datetime, began: datetime) -> Desired:
    """Return the record with its deadlines later by the time since it was decided, up to a deployer's start.

    Deadlines of what drains stay: nothing is asked of it any more. A shorter gap than `UNATTENDED` changes
    nothing, so that a deployer which starts over and over does not put deadlines off for ever.

    Args:
        desired: as it was when the deployer first read it.
        decided_at: when it was written.
        began: when this deployer started.
    """
    gap = began - decided_at
    if gap < UNATTENDED:
        return desired

    def later(deadline: datetime | None) -> datetime | None:
        return None if deadline is None else deadline + gap

    return desired.model_copy(
        update={
            "releases": tuple(
                each.model_copy(update={"deadline_at": later(each.deadline_at)})
                if each.state in UNFINISHED_RELEASES
                else each
                for each in desired.releases
            ),
            "moves": tuple(
                each.model_copy(update={"deadline_at": later(each.deadline_at)}) for each in desired.moves
            ),
            "settling": tuple(
                each.model_copy(update={"deadline_at": each.deadline_at + gap}) for each in desired.settling
            ),
            "ending_deadline_at": later(desired.ending_deadline_at),
        }
    )
