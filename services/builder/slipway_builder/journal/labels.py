"""The labels of a deployment's versions: which are taken, and the next free one of a day."""

from collections import OrderedDict
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from slipway_chassis.errors import LogTruncatedError
from slipway_chassis.event_log import After, CaughtUp, EventLog, Stored
from slipway_contracts.events import BuildSucceeded
from slipway_contracts.subjects import successful_builds

_MOST_DEPLOYMENTS: Final = 256


@dataclass
class _Known:
    names: set[str] = field(default_factory=set)
    sequence: int = 0

    def note(self, stored: Stored) -> None:
        """Take in a build that succeeded."""
        message = stored.readable
        if isinstance(message, BuildSucceeded):
            version = message.version
            self.names |= {version.label, *(endpoint.name for endpoint in version.endpoints)}
        self.sequence = stored.sequence


class Labels:
    """Reads labels from the log and remembers how far it read; a decision that rests on them is guarded."""

    def __init__(self, *, log: EventLog) -> None:
        self._log = log
        self._known: OrderedDict[tuple[str, str], _Known] = OrderedDict()

    async def taken(self, group: str, deployment: str) -> frozenset[str]:
        """Return every label and endpoint name of the deployment's versions: they share one namespace."""
        known = self._known.setdefault((group, deployment), _Known())
        self._known.move_to_end((group, deployment))
        subject = successful_builds(group, deployment)
        try:
            async with aclosing(self._log.follow(subject, start=After(known.sequence))) as items:
                async for item in items:
                    if isinstance(item, CaughtUp):
                        break
                    known.note(item)
        except LogTruncatedError:
            # The log was restored from a backup: what is known may be of builds that it has no more.
            del self._known[group, deployment]
            return await self.taken(group, deployment)
        while len(self._known) > _MOST_DEPLOYMENTS:
            self._known.popitem(last=False)
        return frozenset(known.names)


def free_label(taken: frozenset[str], day: datetime) -> str:
    """Return `YYYYMMDD.N` with the smallest N from 1 that nothing has."""
    number = 1
    while f"{day:%Y%m%d}.{number}" in taken:
        number += 1
    return f"{day:%Y%m%d}.{number}"
