"""Settings of the monitor's process."""

from datetime import timedelta

from pydantic import Field
from slipway_engines.target_settings import TargetSettings


class MonitorSettings(TargetSettings):
    """What a monitor is told."""

    lease_ttl: timedelta = Field(
        default=timedelta(seconds=3), description="How long after a monitor's death another takes over."
    )
