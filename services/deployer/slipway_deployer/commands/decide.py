"""What a command, or the end of a build, means for the desired state. Pure.

Messages come in log order; each command gets an outcome here, at once or through the moves it made: a newer
command supersedes what its aliases wait for.
"""

from datetime import datetime
from typing import assert_never

from slipway_contracts.commands import (
    Cancel,
    Configure,
    Delete,
    Deploy,
    Pin,
    Purge,
    Redeploy,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
)
from slipway_contracts.desired import Desired
from slipway_contracts.events import BuildCanceled, BuildFailed, BuildSucceeded

from slipway_deployer.commands import refusals
from slipway_deployer.commands.alias_commands import pin, remove_alias, set_alias
from slipway_deployer.commands.cancel_command import cancel
from slipway_deployer.commands.end_commands import end, undelete
from slipway_deployer.commands.release_commands import release
from slipway_deployer.commands.settings_command import configure
from slipway_deployer.desired.decision import Decision
from slipway_deployer.desired.message import GivenUp, Incoming, Unreadable
from slipway_deployer.desired.starting import build_ended


def decide(desired: Desired | None, incoming: Incoming, *, at: datetime) -> Decision:
    """Return what this message changes; deciding it again after its position changes nothing.

    Deadlines count from `at`: a command that waited in the log for a deployer has all its time before it.
    """
    message = incoming.message
    known = desired or Desired(group=message.group, deployment=message.deployment, position=0)
    decision = Decision(desired=known, at=at, cause=incoming.envelope.id)
    if incoming.sequence <= known.position:
        return decision
    return _decided(decision.changed(position=incoming.sequence), incoming)


def _decided(decision: Decision, incoming: Incoming) -> Decision:
    message = incoming.message
    match message:
        case Deploy() | Redeploy() | Start():
            return release(decision, incoming, message)
        case SetAlias() | RemoveAlias() | Pin():
            return _alias_decided(decision, incoming, message)
        case Stop() | Delete() | Purge():
            return end(decision, incoming, message)
        case Undelete():
            return undelete(decision, incoming, message)
        case Cancel():
            return cancel(decision, incoming, message)
        case Configure():
            return configure(decision, incoming, message)
        case BuildSucceeded() | BuildFailed() | BuildCanceled():
            return build_ended(decision, message)
        case Unreadable():
            failure = refusals.unreadable(message.problem, incoming.sequence, at=decision.at)
            return decision.refused(incoming, failure)
        case GivenUp():
            return decision
        case _:
            assert_never(message)


def _alias_decided(decision: Decision, incoming: Incoming, message: SetAlias | RemoveAlias | Pin) -> Decision:
    match message:
        case SetAlias():
            return set_alias(decision, incoming, message)
        case RemoveAlias():
            return remove_alias(decision, incoming, message)
        case Pin():
            return pin(decision, incoming, message)
        case _:
            assert_never(message)
