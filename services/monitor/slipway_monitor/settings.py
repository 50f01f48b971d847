"""Settings of the monitor's process."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from slipway_chassis.settings import ServiceSettings
from slipway_engines.select import EngineKind
from slipway_engines.supervisor.settings import SupervisorSettings


class MonitorSettings(ServiceSettings):
    """What a monitor is told: the target it watches, and how to reach its engine."""

    target: str = Field(default="local", description="Name of the target this monitor watches.")
    engine: EngineKind = "supervisor"
    engine_dir: Path = Field(description="Folder of the supervisor engine's files.")
    supervisor_socket: Path = Field(description="Socket of the supervisord that runs the replicas.")
    installation: str = Field(description="Id of this installation; everything it makes carries it.")
    lease_ttl: timedelta = Field(
        default=timedelta(seconds=3), description="How long after a monitor's death another takes over."
    )

    def supervisor(self) -> SupervisorSettings:
        """Return the settings of the supervisor engine."""
        return SupervisorSettings(
            installation=self.installation,
            folder=self.engine_dir,
            socket=self.supervisor_socket,
            blob_root=self.blob_root,
        )
