"""Names by which parts of Envoy's configuration know each other."""

from typing import Final

BUFFER: Final = "slipway.buffer"
PASSWORDS: Final = "slipway.passwords"
KEYS: Final = "slipway.keys"
"""Filter that checks signature, issuer and end of a key."""
KEY_IDS: Final = "slipway.key-ids"
"""Filter that checks for which deployment a key is, and whether it is still one of its keys."""
KEY_CLAIMS: Final = "claims"
KEY_REQUIREMENT: Final = "endpoint-key"
SECOND_TURN: Final = "second-turn"
"""Cluster and internal listener for requests whose body had to be counted before it could be sent."""
UNANNOUNCED: Final = "x-slipway-unannounced"
"""Header that Envoy gives a request whose body comes without its size; what a client sends is removed."""
STARTING: Final = "starting"
"""A cluster that is never there."""
