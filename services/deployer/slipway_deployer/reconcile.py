"""Make the engine match the desired state: wishes only, each idempotent; what comes of them is observed."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from slipway_chassis.errors import SecretMissingError, TransientError
from slipway_contracts.desired import Desired
from slipway_contracts.size import SecretRef
from slipway_contracts.workload import Workload, WorkloadRef
from slipway_engines.engine import Engine
from slipway_engines.errors import TargetFullError

from slipway_deployer.desired.observed import Refusal


class Opener(Protocol):
    """Opens secrets; see `slipway_chassis.secrets.Vault`."""

    async def open(self, group: str, refs: Mapping[str, SecretRef]) -> Mapping[str, str]:
        """Return the value of each reference.

        Raises:
            SecretMissingError: versions that are not stored.
            TransientError: they cannot be opened now.
        """
        ...


@dataclass
class Untaken:
    """What of the wishes of one deployment the engine has not taken; empty: it took all of them."""

    missing: dict[str, str] = field(default_factory=dict)
    """Per workload: which of its secrets are not stored."""
    refused: dict[str, Refusal] = field(default_factory=dict)
    """Per workload whose wish has to be told again: why."""


class Wishes:
    """Tells an engine what deployments want, with the secrets that their replicas get."""

    def __init__(self, *, engine: Engine, secrets: Opener) -> None:
        self._engine = engine
        self._secrets = secrets

    async def tell(
        self, desired: Desired, *, taken: Mapping[str, Workload] | None = None, disowned: Iterable[str] = ()
    ) -> Untaken:
        """Tell the engine the wishes of this deployment; what no record names is left alone.

        Removals go first: a fixed port must be free before its next holder starts. A wish that cannot be told
        keeps no other from being told.

        Args:
            desired: the record.
            taken: wishes that the engine has taken, by workload; the same are not told again.
            disowned: workloads that an earlier record named, and this one does not.
        """
        gone = dict.fromkeys([*(each.id for each in desired.removed), *disowned])
        untaken = await self.remove((desired.group, desired.deployment), gone)
        known = taken or {}
        wishes = [each.workload for each in desired.workloads if known.get(each.workload.id) != each.workload]
        await asyncio.gather(*(self._apply(each, untaken) for each in wishes))
        return untaken

    async def remove(self, key: tuple[str, str], workloads: Iterable[str]) -> Untaken:
        """Tell the engine to remove these workloads of a deployment."""
        untaken = Untaken()
        refs = [WorkloadRef(group=key[0], deployment=key[1], id=each) for each in workloads]
        await asyncio.gather(*(self._remove(each, untaken) for each in refs))
        return untaken

    async def _remove(self, workload: WorkloadRef, untaken: Untaken) -> None:
        try:
            await self._engine.remove(workload)
        except TransientError as error:
            untaken.refused[workload.id] = Refusal(str(error))

    async def _apply(self, workload: Workload, untaken: Untaken) -> None:
        values: Mapping[str, str] | None = None
        if workload.secrets:
            try:
                values = await self._secrets.open(workload.group, workload.secrets)
            except SecretMissingError as error:
                # What runs already keeps what the target holds, and may be started again with it.
                untaken.missing[workload.id] = str(error)
            except TransientError as error:
                untaken.refused[workload.id] = Refusal(str(error))
        try:
            await self._engine.apply(workload, values)
        except TransientError as error:
            untaken.refused[workload.id] = Refusal(str(error), no_room=isinstance(error, TargetFullError))
