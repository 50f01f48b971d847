"""Reads of the audit: the messages that somebody asked for, and the refused requests.

In the order of the log; where only a time is wanted, in the order of time, which differs where a message came
late into the log: an index leads to it either way, and no row of another time is read.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import JsonValue
from slipway_contracts.envelope import Origin
from slipway_contracts.installation_events import RequestRefused

from slipway_store.filters import Filter
from slipway_store.records import Record
from slipway_store.rows import Row
from slipway_store.statements import Statements

_REFUSED: Final = "type = 'request.refused.v1'"
_NAMES: Final = (
    *("alias", "build", "cause", "gateway", "key", "level", "name"),
    *("label", "operation", "release", "secret", "sequence", "source", "user", "version", "webhook"),
    *("deployments_enabled", "disabled", "hidden", "pinned", "removed", "revoked"),
)


class AuditRow(Row):
    """A message that somebody asked for, without most of its body: that of a command may be large."""

    sequence: int
    id: str
    type: str
    group: str | None
    deployment: str | None
    time: datetime
    origin: Origin
    details: Mapping[str, JsonValue] | None
    refused: RequestRefused | None


_AUDIT: Final = Record("event", AuditRow, ("sequence",), immutable=True)
_OF_ARTIFACTS: Final = "(key in ('digest', 'size_bytes', 'stored') and type like 'artifact.%')"
_DETAILS: Final = (
    f"case when not {_REFUSED} and jsonb_typeof(body) = 'object' then (select jsonb_object_agg(key, value) "  # noqa: S608
    f"from jsonb_each(body) where (key in {_NAMES} or {_OF_ARTIFACTS}) "
    "and jsonb_typeof(value) in ('string', 'number', 'boolean')) end"
)
_SELECT: Final = _AUDIT.select.replace('"details"', f"{_DETAILS} as details").replace(
    '"refused"', f"case when {_REFUSED} and jsonb_typeof(body) = 'object' then body end as refused"
)


@dataclass(frozen=True, kw_only=True)
class AuditWish:
    """What of the audit is wanted; None: whatever.

    Attributes:
        groups: about these; None: about all, and about none.
        deployment: about this one.
        user: by this one.
        refused: what was refused, or what was not.
        since: not before.
        until: before.
        after: with a greater sequence.
        oldest_first: in the order in which it happened, not the other way round.
    """

    groups: Sequence[str] | None = None
    deployment: str | None = None
    user: str | None = None
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None
    oldest_first: bool = False

    @property
    def by_time(self) -> bool:
        """Whether the order is that of time."""
        return self.after is None and (self.since is not None or self.until is not None)

    @property
    def order(self) -> str:
        """The order, as SQL."""
        names = ("time", "sequence") if self.by_time else ("sequence",)
        return ", ".join(names if self.oldest_first else (f"{name} desc" for name in names))

    def filter(self, behind: int | None) -> Filter:
        """Return what is wanted behind the row of this sequence, in the order."""
        wanted = Filter().add("origin is not null").in_groups(self.groups)
        wanted.add(f"(deployment = {{0}} or {_REFUSED} and body->>'deployment' = {{0}})", self.deployment)
        wanted.add("origin->>'user' = {}", self.user)
        wanted.add(f"({_REFUSED}) = {{}}::boolean", self.refused)
        wanted.add("time >= {}", self.since).add("time < {}", self.until).add("sequence > {}", self.after)
        sign = ">" if self.oldest_first else "<"
        if self.by_time:
            last = "(select time from event where sequence = {0})"
            return wanted.add(f"(time, sequence) {sign} ({last}, {{0}})", behind)
        return wanted.add(f"sequence {sign} {{}}", behind)


class AuditReads(Statements):
    """Reads of the audit."""

    async def audit(self, wish: AuditWish, *, behind: int | None = None, limit: int) -> list[AuditRow]:
        """Return what was asked for, in the order of the wish, behind the row of this sequence."""
        return await self._page(_AUDIT, wish.filter(behind), wish.order, limit, _SELECT)
