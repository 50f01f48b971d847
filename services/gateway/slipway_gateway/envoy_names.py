"""Names by which parts of Envoy's configuration know each other."""

from typing import Final

BUFFER: Final = "slipway.buffer"
SECOND_TURN: Final = "second-turn"
"""Cluster and internal listener for requests whose body had to be counted before it could be sent."""
