"""What the projector counts about itself."""

import collections
from collections.abc import Sequence
from operator import attrgetter
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from slipway_contracts.codec import MESSAGE_TYPES

from slipway_projector.logged import Logged

_NOUNS: Final = frozenset(name.partition(".")[0] for name in MESSAGE_TYPES)
_KIND: Final = attrgetter("type", "problem")
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Meters:
    """The projector's collectors; labels are nouns of known messages, `unknown` for all others."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.checkpoint = Gauge(
            "slipway_projector_checkpoint", "Last sequence in the tables.", registry=registry
        )
        self.lag = Gauge(
            "slipway_projector_lag_messages", "Messages of the log not yet in the tables.", registry=registry
        )
        self.active = Gauge(
            "slipway_projector_active", "1: writes; 0: stands by, waits or was stopped.", registry=registry
        )
        self._folded = Counter(
            "slipway_projector_messages", "Messages folded, by noun.", ["noun"], registry=registry
        )
        self._unfolded = Counter(
            "slipway_projector_unfolded_messages",
            "Messages stored as they came: unknown, broken or refused by the tables.",
            ["noun"],
            registry=registry,
        )
        self._repeated = Counter(
            "slipway_projector_repeated_messages", "Messages whose id had come before.", registry=registry
        )
        self._size = Histogram(
            "slipway_projector_batch_messages", "Messages per transaction.", buckets=_SIZES, registry=registry
        )

    def wrote(self, read: int, folded: Sequence[Logged], checkpoint: int) -> None:
        """Count one transaction of `read` messages."""
        self._size.observe(read)
        self._repeated.inc(read - len(folded))
        self.checkpoint.set(checkpoint)
        kinds = collections.Counter(map(_KIND, folded))
        for (kind, problem), count in kinds.items():
            noun = kind.partition(".")[0]
            counter = self._folded if problem is None else self._unfolded
            counter.labels(noun if noun in _NOUNS else "unknown").inc(count)
