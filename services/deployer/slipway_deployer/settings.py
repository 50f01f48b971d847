"""Settings of the deployer's process."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from slipway_engines.target_settings import TargetSettings


class DeployerSettings(TargetSettings):
    """What a deployer is told."""

    target_lost_after: timedelta = Field(
        default=timedelta(seconds=15), description="How long a target may go unwatched before it is lost."
    )
    secret_key_file: Path | None = Field(
        default=None, description="File of the private key that opens secrets; others may not read it."
    )
