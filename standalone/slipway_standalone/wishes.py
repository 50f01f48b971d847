"""What `slipway up` was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from slipway_standalone.plan import LOOPBACK
from slipway_standalone.ports import RANGE


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The options of the command line and its environment."""

    state: Path
    host: str = LOOPBACK
    ports: Mapping[str, int] = field(default_factory=dict)
    port_range: range = RANGE
    only_servers: bool = False
    detach: bool = True
    environment: Mapping[str, str] = field(repr=False)
