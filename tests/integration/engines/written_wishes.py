"""Wishes that are in the files of the engine, and of which supervisord has not heard."""

from contract.engines.local_target import LocalTarget
from slipway_contracts.workload import Workload
from slipway_engines.supervisor.image_plan import plan_image
from slipway_engines.supervisor.program_files import Program, ProgramFiles


async def written_down(target: LocalTarget, workload: Workload) -> Program:
    """Write a wish down as `apply` does, and go no further."""
    files = ProgramFiles(target.settings)
    async with files.lock():
        (program,) = files.create(workload, ["0-1"], plan_image(workload.image, target.shelf.path_of))
        return program
