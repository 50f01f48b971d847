"""Make the engine match the desired state: wishes only, each idempotent; what comes of them is observed."""

import asyncio

from slipway_contracts.desired import Desired
from slipway_contracts.workload import WorkloadRef
from slipway_engines.engine import Engine


async def reconcile(engine: Engine, desired: Desired) -> None:
    """Tell the engine every wish of this deployment; what no record names is left alone.

    Removals go first: a fixed port must be free before its next holder starts.

    Raises:
        EngineUnavailableError: the target did not take a wish; the others may have been taken.
    """
    owner = {"group": desired.group, "deployment": desired.deployment}
    await asyncio.gather(*(engine.remove(WorkloadRef(**owner, id=each.id)) for each in desired.removed))
    await asyncio.gather(*(engine.apply(each.workload) for each in desired.workloads))
