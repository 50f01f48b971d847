"""Settings that the services of a target share: which target, and how to reach its engine."""

from pathlib import Path

from pydantic import Field
from slipway_chassis.settings import ServiceSettings

from slipway_engines.engine import Engine
from slipway_engines.select import EngineKind, make_engine
from slipway_engines.supervisor.settings import SupervisorSettings


class TargetSettings(ServiceSettings):
    """What a deployer and a monitor are told of their target."""

    target: str = Field(default="local", description="Name of the target.")
    engine: EngineKind = "supervisor"
    engine_dir: Path = Field(description="Folder of the supervisor engine's files.")
    supervisor_socket: Path = Field(description="Socket of the supervisord that runs the replicas.")
    cpu_overcommit: float = Field(
        default=64.0, gt=0, description="Cores that replicas may ask for per core of a supervisor target."
    )
    memory_overcommit: float = Field(default=8.0, gt=0, description="The same for memory.")
    runtime_dir: Path | None = Field(
        default=None,
        description="Folder on a tmpfs, for secrets of replicas; None: XDG_RUNTIME_DIR, else /dev/shm.",
    )
    installation: str = Field(description="Id of this installation; everything it makes carries it.")

    def make_engine(self) -> Engine:
        """Return the engine of this target; it touches nothing before its first use."""
        return make_engine(
            self.engine,
            SupervisorSettings(
                installation=self.installation,
                folder=self.engine_dir,
                socket=self.supervisor_socket,
                runtime_folder=self.runtime_dir,
                cpu_overcommit=self.cpu_overcommit,
                memory_overcommit=self.memory_overcommit,
                blob_root=self.blob_root,
            ),
        )
