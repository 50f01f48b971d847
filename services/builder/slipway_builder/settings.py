"""Settings of the builder's process."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field
from slipway_chassis.settings import ServiceSettings

from slipway_builder.source.source_archive import ArchiveLimits


class BuilderSettings(ServiceSettings):
    """`SLIPWAY_*` variables of the builder."""

    work_dir: Path = Field(
        default=Path("/var/lib/slipway/builder"),
        description="Folder for builds in progress and the cache of downloaded packages.",
    )
    max_builds: int = Field(default=2, ge=1, description="Builds that this process works on at once.")
    package_cache_bytes: int = Field(
        default=10 << 30, ge=0, description="Most that the cache of downloaded packages may hold for long."
    )
    package_cache_interval: timedelta = Field(
        default=timedelta(hours=1), description="Between two looks at the size of that cache."
    )
    sweep_interval: timedelta = Field(
        default=timedelta(seconds=15), description="Between two looks for builds whose deadline passed."
    )
    source_max_bytes: int = Field(
        default=ArchiveLimits.max_bytes, gt=0, description="Largest unpacked source."
    )
    source_max_members: int = Field(
        default=ArchiveLimits.max_members, gt=0, description="Most files, folders and links of a source."
    )
    source_max_ratio: int = Field(
        default=ArchiveLimits.max_ratio, gt=1, description="Most a source may grow when it is unpacked."
    )

    def archive_limits(self) -> ArchiveLimits:
        """What an uploaded archive may cost."""
        return ArchiveLimits(
            max_bytes=self.source_max_bytes,
            max_members=self.source_max_members,
            max_ratio=self.source_max_ratio,
        )
