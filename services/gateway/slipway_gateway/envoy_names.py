"""Names by which parts of Envoy's configuration know each other."""

from typing import Final

BUFFER: Final = "slipway.buffer"
SECOND_TURN: Final = "second-turn"
"""Cluster and internal listener for requests whose body had to be counted before it could be sent."""
UNANNOUNCED: Final = "x-slipway-unannounced"
"""Header that Envoy gives a request whose body comes without its size; what a client sends is removed."""
STARTING: Final = "starting"
"""A cluster that is never there."""
