"""Whose the lines of a workload are: which endpoint they come from, and which releases share its replicas."""

import math
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

from slipway_contracts import subjects
from slipway_store.connections import DatabaseUnavailableError
from slipway_store.deployment_reads import Sharing
from slipway_store.queries import Reads

_UNKNOWN_SECONDS: Final = 0.5
_KNOWN_SECONDS: Final = 10.0


@dataclass(frozen=True)
class LineOrigin:
    """What is known of a workload.

    Attributes:
        endpoint: what its replicas serve; None: not known yet.
        releases: those that need it, the oldest first.
    """

    endpoint: str | None = None
    releases: Sequence[Sharing] = ()

    def release_at(self, at: datetime) -> int | None:
        """Return the release that had its replicas last, of those that had begun by then."""
        if not self.releases:
            return None
        begun = bisect_right(self.releases, at, key=attrgetter("since"))
        return self.releases[max(begun - 1, 0)].number

    def is_of(self, release: int) -> bool:
        """Say whether a release needs this workload."""
        return any(each.number == release for each in self.releases)


class LineOrigins:
    """Remembers which workload is which, for one reader of a log.

    Another release may begin to share a workload, and a new replica's lines may come before the projection
    knows it: what was found is asked for again after a while.

    Args:
        reads: knows releases and replicas.
        required: raise where the projection does not answer, instead of knowing nothing.
    """

    def __init__(self, *, reads: Reads, required: bool) -> None:
        self._reads = reads
        self._required = required
        self._known: dict[str, LineOrigin] = {}
        self._ask_at: dict[str, float] = {}

    async def of(self, subject: str, workload: str) -> LineOrigin:
        """Return what is known of the workload that a subject of the log stream names.

        Raises:
            DatabaseUnavailableError: the projection does not answer, and is required.
        """
        if time.monotonic() >= self._ask_at.get(workload, -math.inf):
            try:
                self._known[workload] = await self._load(subject, workload)
            except DatabaseUnavailableError:
                if self._required:
                    raise
            found = self._known.get(workload, LineOrigin())
            is_known = found.endpoint is not None and bool(found.releases)
            self._ask_at[workload] = time.monotonic() + (_KNOWN_SECONDS if is_known else _UNKNOWN_SECONDS)
        return self._known.get(workload, LineOrigin())

    async def _load(self, subject: str, workload: str) -> LineOrigin:
        group, deployment = subjects.owner_of(subject)
        endpoint = await self._reads.endpoint_of(group, deployment, workload)
        return LineOrigin(endpoint, await self._reads.releases_sharing(group, deployment, workload))
