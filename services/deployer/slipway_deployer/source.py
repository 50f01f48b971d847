"""Who the deployer is in the envelopes of its messages."""

from typing import Final

SOURCE: Final = "/slipway/deployer"
