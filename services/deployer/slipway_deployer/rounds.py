"""The steps of one round of a deployment: what is new is decided, then what was seen is judged. Pure.

Who takes a step reads what it needs before.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.events import BuildEnd

from slipway_deployer.commands.decide import decide
from slipway_deployer.desired.decision import Decision, Emitted
from slipway_deployer.desired.message import Incoming
from slipway_deployer.desired.observed import Facts
from slipway_deployer.desired.starting import build_ended, waiting_for_builds
from slipway_deployer.desired.workloads import numbered

MOST_EMITTED: Final = 400
"""Of the 1000 messages that one batch may have."""


def folded(desired: Desired | None, inbox: Iterable[Incoming], *, at: datetime) -> Decision | None:
    """Decide the messages that fit into one batch; the next round takes the others.

    Returns:
        None where there is no desired state and no message.
    """
    emitted: tuple[Emitted, ...] = ()
    for each in inbox:
        decision = decide(desired, each, at=at)
        desired = decision.desired
        emitted += decision.emitted
        if len(emitted) > MOST_EMITTED:
            break
    return None if desired is None else Decision(desired=desired, at=at, emitted=emitted)


def newly_waiting(decision: Decision, before: Desired | None) -> list[DesiredRelease]:
    """Return the new releases that wait for a build: it may have ended before the command came."""
    return [
        each
        for each in waiting_for_builds(decision.desired)
        if before is None or before.release(each.number) is None
    ]


def told_of_builds(decision: Decision, ends: Iterable[tuple[DesiredRelease, BuildEnd | None]]) -> Decision:
    """Let the releases go on whose build has ended; each is caused by the command that made it."""
    for waiting, end in ends:
        if end is not None:
            decision = build_ended(decision.because_of(waiting.operation), end)
    return decision.because_of(None)


def with_attempts(decision: Decision, before: Desired | None, earlier_lives: Facts) -> Decision:
    """Let attempts only grow, beyond those of earlier lives too; repeating it changes nothing."""
    return decision.changed_to(numbered(decision.desired, before, earlier_lives))
