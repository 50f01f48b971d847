"""What `slipway up` was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slipway_standalone.patience import LONGEST_MINUTES
from slipway_standalone.ports import RANGE


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The options of the command line and its environment."""

    state: Path
    host: str | None = None
    """None: the loopback; where the platform runs already, whatever it has."""
    ports: Mapping[str, int] = field(default_factory=dict)
    port_range: range = RANGE
    only_servers: bool = False
    detach: bool = True
    patience_minutes: float = LONGEST_MINUTES
    environment: Mapping[str, str] = field(repr=False)
