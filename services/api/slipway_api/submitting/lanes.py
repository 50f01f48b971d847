"""A deployment's lane of commands in the log: what was last asked of it, and at which sequence.

Reads the log only, so that it is never behind what was confirmed to a client.
"""

from dataclasses import dataclass
from typing import Final

from slipway_chassis.event_log import EventLog
from slipway_chassis.stored import Stored
from slipway_contracts import subjects
from slipway_contracts.desired import Desired
from slipway_contracts.lifecycle import Wanted

from slipway_api.refusing.unreadable import read

_ASKS_NOTHING_NEW: Final = frozenset({"cancel", "configure", "set-alias", "remove-alias", "pin"})
_GONE: Final = frozenset({Wanted.DELETED, Wanted.PURGED})


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What the commands of one deployment say.

    Attributes:
        last: sequence of the last command, the deployment's ETag; 0: there never was one.
        asked: what the commands ask for; None: there never was one.
        purging: whether a purge is asked for that has not ended.
    """

    last: int
    asked: Wanted | None
    purging: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is a deployment that was not deleted."""
        return self.asked is not None and self.asked not in _GONE


async def load_lane(log: EventLog, group: str, deployment: str) -> Lane:
    """Read the lane of one deployment.

    Raises:
        RecordUnreadableError: whether it is purged is said by a record of a newer release.
    """
    commands = subjects.deployer_commands(group, deployment)
    last = await log.last(commands)
    if last is None:
        return Lane(last=0, asked=None)
    asked = _asked(last)
    if asked is None:
        latest = await log.last_per_subject(commands)
        asked = next(filter(None, map(_asked, reversed(latest))), Wanted.RUNNING)
    purging = asked is Wanted.PURGED and not _ended(await load_desired(log, group, deployment), last.sequence)
    return Lane(last=last.sequence, asked=asked, purging=purging)


async def load_desired(log: EventLog, group: str, deployment: str) -> Desired | None:
    """Read what the deployer decided last; it may not have seen the newest commands yet.

    Raises:
        RecordUnreadableError: the record is of a newer release of the platform.
    """
    last = await log.last(subjects.desired(group, deployment))
    if last is None:
        return None
    message = read(last)
    return message if isinstance(message, Desired) else None


def is_purged(desired: Desired) -> bool:
    """Say whether nothing is left of a deployment."""
    return desired.wanted is Wanted.PURGED and desired.ended


def _ended(desired: Desired | None, last: int) -> bool:
    return desired is not None and desired.position >= last and is_purged(desired)


def _asked(stored: Stored) -> Wanted | None:
    """Return what a command asks for, by the verb of its subject; None: nothing new."""
    match stored.subject.rpartition(".")[2]:
        case verb if verb in _ASKS_NOTHING_NEW:
            return None
        case "stop" | "undelete":
            return Wanted.STOPPED
        case "delete":
            return Wanted.DELETED
        case "purge":
            return Wanted.PURGED
        case _:
            return Wanted.RUNNING
