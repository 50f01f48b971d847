"""Where a deployment stands: the last decision about it, and the commands that are not decided yet.

Reads the log only, so that it is never behind what was confirmed to a client. Decides nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Final, Self

from slipway_chassis.event_log import EventLog
from slipway_contracts import subjects
from slipway_contracts.codec import AnyMessage
from slipway_contracts.commands import (
    AnyDeployerCommand,
    Configure,
    Delete,
    Deploy,
    Pin,
    Purge,
    Redeploy,
    ReleaseCommand,
    RemoveAlias,
    SetAlias,
    Start,
    Stop,
    Undelete,
)
from slipway_contracts.deployment_settings import DeploymentSettings
from slipway_contracts.desired import Desired, DesiredRelease
from slipway_contracts.lifecycle import UNFINISHED_RELEASES, ReleaseState, Wanted
from slipway_contracts.traffic import LIVE_ALIAS, AliasRoute, ReleaseRequest, TrafficShare

from slipway_api.submitting.lanes import load_desired

_GONE: Final = (Wanted.DELETED, Wanted.PURGED)
_RUNS: Final = UNFINISHED_RELEASES | {ReleaseState.LIVE}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is decided and what is asked, of the deployment that has this id now.

    Attributes:
        desired: the last decision; None: nothing is decided since the id was taken (again).
        pending: commands that are not decided yet, in order.
    """

    group: str
    deployment: str
    desired: Desired | None = None
    pending: tuple[AnyDeployerCommand, ...] = ()

    @classmethod
    def of(
        cls, group: str, deployment: str, desired: Desired | None, commands: Iterable[AnyDeployerCommand]
    ) -> Self:
        """Return the standing; a create that follows a delete begins from nothing."""
        gone = desired is not None and desired.wanted in _GONE
        pending: list[AnyDeployerCommand] = []
        for command in commands:
            if isinstance(command, Deploy) and gone:
                desired, pending, gone = None, [], False
            elif isinstance(command, Delete | Purge | Undelete):
                gone = not isinstance(command, Undelete)
            pending.append(command)
        return cls(group=group, deployment=deployment, desired=desired, pending=tuple(pending))

    @property
    def settings(self) -> DeploymentSettings:
        """What is said about the deployment as a whole."""
        for command in reversed(self.pending):
            if isinstance(command, Configure | Deploy) and command.settings is not None:
                return command.settings
        return self.desired.settings if self.desired else DeploymentSettings()

    @property
    def routes(self) -> tuple[AliasRoute, ...]:
        """Where every alias points, or pointed when the deployment was stopped."""
        if self.desired is None:
            return ()
        return self.desired.routes or self.desired.parked

    def shares_of(self, alias: str) -> tuple[TrafficShare, ...]:
        """Where this alias points, or pointed when the deployment was stopped."""
        return next((route.shares for route in self.routes if route.alias == alias), ())

    @property
    def asked(self) -> ReleaseRequest | None:
        """What the newest command that is not decided yet wants to run."""
        requests = (each.request for each in reversed(self.pending) if isinstance(each, ReleaseCommand))
        return next(requests, None)

    @property
    def aliases(self) -> frozenset[str]:
        """Every alias that there is or is about to be."""
        names = {LIVE_ALIAS, *(route.alias for route in self.routes)}
        if self.desired is not None:
            names |= {route.alias for route in self.desired.parked}
            names |= {move.alias for move in self.desired.moves if move.shares}
            names -= {move.alias for move in self.desired.moves if not move.shares}
        for command in self.pending:
            match command:
                case SetAlias(alias=alias):
                    names.add(alias)
                case RemoveAlias(alias=alias):
                    names.discard(alias)
                case Deploy() | Redeploy() | Start():
                    names.add(command.request.alias)
                case _:
                    pass
        return frozenset(names)

    @property
    def pins(self) -> frozenset[int]:
        """The releases that are pinned or about to be."""
        pins = set(self.desired.pins if self.desired else ())
        for command in self.pending:
            if isinstance(command, Pin):
                (pins.add if command.pinned else pins.discard)(command.release)
        return frozenset(pins)

    @property
    def endpoints(self) -> frozenset[str]:
        """The names of the endpoints of every version that runs or is about to."""
        versions = [each.version for each in (self.desired.releases if self.desired else ())]
        versions += [each.request.version for each in self.pending if isinstance(each, ReleaseCommand)]
        specs = chain.from_iterable(version.endpoints for version in versions if version)
        return frozenset(spec.name for spec in specs)

    def runs(self, number: int) -> bool:
        """Whether this release runs or is on its way, and no stop is asked for."""
        found = self.kept(number)
        return found is not None and found.state in _RUNS and not self.stopping

    def kept(self, number: int) -> DesiredRelease | None:
        """Return the release of this number, where it still needs something."""
        return self.desired.release(number) if self.desired else None

    @property
    def stopping(self) -> bool:
        """Whether the end of its replicas is asked for."""
        if any(isinstance(command, Stop | Delete) for command in self.pending):
            return True
        return self.desired is not None and self.desired.wanted is not Wanted.RUNNING


async def load_standing(
    log: EventLog, group: str, deployment: str, *, last_command: int | None = None
) -> Standing:
    """Read where a deployment stands; faster where the sequence of its last command is known.

    Raises:
        RecordUnreadableError: the last decision is of a newer release; without it all would look undecided.
    """
    desired = await load_desired(log, group, deployment)
    position = desired.position if desired else 0
    messages: list[AnyMessage | None] = []
    if last_command is None or last_command > position:
        lane = subjects.deployer_commands(group, deployment)
        messages = [stored.readable async for stored in log.read(lane, after=position)]
    commands = [message for message in messages if isinstance(message, AnyDeployerCommand)]
    return Standing.of(group, deployment, desired, commands)
