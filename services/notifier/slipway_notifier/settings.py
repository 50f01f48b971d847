"""Settings of the notifier."""

from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import Field
from slipway_chassis.settings import ServiceSettings

_BACKOFF: Final = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 300))
"""Shorter than the one that Standard Webhooks proposes: one event waits for all that follow it."""


class NotifierSettings(ServiceSettings):
    """How patient the notifier is, and where it may send."""

    secret_key_file: Path | None = Field(
        default=None, description="Private key with which the secrets of webhooks are opened."
    )
    lease_ttl: timedelta = Field(
        default=timedelta(seconds=6), description="After its holder's death, a standby takes over this late."
    )
    webhook_timeout: timedelta = Field(
        default=timedelta(seconds=15), gt=timedelta(0), description="Of one attempt, from name to answer."
    )
    webhook_backoff: tuple[timedelta, ...] = Field(
        default=_BACKOFF,
        min_length=1,
        description="Waits between attempts, as a JSON list of seconds; the last one is repeated.",
    )
    webhook_patience: timedelta = Field(
        default=timedelta(days=5), description="A webhook that takes nothing for so long is disabled."
    )
    webhook_private_addresses: bool = Field(
        default=False, description="Whether receivers may have addresses that are not public."
    )
    position_interval: timedelta = Field(
        default=timedelta(milliseconds=250), description="Shortest time between two writes of positions."
    )
    skipped_interval: timedelta = Field(
        default=timedelta(seconds=30),
        description="Longest time until it is noted what was skipped, because nobody wanted it.",
    )
    feed_events: int = Field(default=2048, gt=0, description="Newest events held in memory.")
    feed_bytes: int = Field(default=8 << 20, gt=0, description="Bytes of them held in memory.")
