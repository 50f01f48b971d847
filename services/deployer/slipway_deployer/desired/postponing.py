"""Deadlines that passed, or went on, while no deployer was there to judge: that time does not count. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict
from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import UNFINISHED_RELEASES


class Absence(BaseModel):
    """A time in which no deployer was there."""

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime
    until: AwareDatetime


def postponed(desired: Desired, *, decided_at: datetime, absences: Iterable[Absence]) -> Desired:
    """Return the record with its deadlines later by the absences since it was decided.

    Deadlines of what drains stay: nothing is asked of it any more. What this returns, once written, was
    decided after the absences, so that no time is counted twice.

    Args:
        desired: as it was read.
        decided_at: when it was written.
        absences: those that are known; they do not overlap.
    """
    gap = sum((max(each.until - max(each.since, decided_at), timedelta()) for each in absences), timedelta())
    if not gap:
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
