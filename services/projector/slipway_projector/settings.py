"""Settings of the projector."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, SecretStr
from slipway_chassis.settings import ServiceSettings


class ProjectorSettings(ServiceSettings):
    """Read from `SLIPWAY_*` variables."""

    database_url: SecretStr = Field(
        description="Where the tables are, as postgresql://user:password@host/db."
    )
    database_folder: Path | None = Field(
        default=None,
        description="Where a Postgres of this machine has its files: a snapshot looks for room there first.",
    )
    batch_messages: int = Field(
        default=4000, ge=1, le=10_000, description="Most messages in one transaction."
    )
    standby_poll: timedelta = Field(
        default=timedelta(milliseconds=500),
        gt=timedelta(0),
        description="How often a standby looks whether the active projector is gone.",
    )
    verify_period: timedelta = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        description="How often the log is compared with the checkpoint, and the lag measured.",
    )
