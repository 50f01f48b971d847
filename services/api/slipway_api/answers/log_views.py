"""Answers about logs."""

from pydantic import ConfigDict, Field
from slipway_contracts.log_lines import LogLine


class ReplicaLine(LogLine):
    """A log line and who wrote it."""

    model_config = ConfigDict(frozen=True)

    replica: str | None = Field(default=None, description="None: a build.")
    release: int | None = Field(
        default=None, description="That had the replica: of several, the last that had begun by then."
    )
    endpoint: str | None = None
    workload: str | None = Field(
        default=None, description="Tells replicas of one number apart: releases that share it share replicas."
    )
