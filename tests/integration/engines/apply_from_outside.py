"""Applies a workload from a process of its own, when a file appears: SETTINGS WORKLOAD FILE."""

import asyncio
import sys
from pathlib import Path

from slipway_contracts.workload import Workload
from slipway_engines.select import make_engine
from slipway_engines.supervisor.settings import SupervisorSettings

if __name__ == "__main__":
    engine = make_engine("supervisor", SupervisorSettings.model_validate_json(sys.argv[1]))
    workload = Workload.model_validate_json(sys.argv[2])
    go = Path(sys.argv[3])
    sys.stdout.write("here\n")
    sys.stdout.flush()
    while not go.exists():
        pass
    asyncio.run(engine.apply(workload))
