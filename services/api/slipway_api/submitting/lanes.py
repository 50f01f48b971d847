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

_ASKS_NOTHING_NEW: Final = frozenset({"cancel", "configure", "set-alias", "remove-alias", "pin"})
_GONE: Final = frozenset({Wanted.DELETED, Wanted.PURGED})


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What the commands of one deployment say.

    Attributes:
        last: sequence of the last command, the deployment's ETag; 0: there never was one.
        asked: what the commands ask for; None: there never was one.
    """

    last: int
    asked: Wanted | None

    @property
    def exists(self) -> bool:
        """Whether there is a deployment that was not deleted."""
        return self.asked is not None and self.asked not in _GONE


async def load_lane(log: EventLog, group: str, deployment: str) -> Lane:
    """Read the lane of one deployment."""
    commands = subjects.deployer_commands(group, deployment)
    last = await log.last(commands)
    if last is None:
        return Lane(last=0, asked=None)
    asked = _asked(last)
    if asked is None:
        latest = await log.last_per_subject(commands)
        asked = next(filter(None, map(_asked, reversed(latest))), Wanted.RUNNING)
    return Lane(last=last.sequence, asked=asked)


async def load_desired(log: EventLog, group: str, deployment: str) -> Desired | None:
    """Read what the deployer decided last; it may not have seen the newest commands yet.

    Raises:
        UnknownMessageError: the record is of a newer release of the platform.
    """
    last = await log.last(subjects.desired(group, deployment))
    if last is None:
        return None
    message = last.message
    return message if isinstance(message, Desired) else None


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
