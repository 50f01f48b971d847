"""Reads of the audit: the messages that somebody asked for, and the refused requests, newest first."""

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
    *("operation", "release", "secret", "sequence", "user", "version"),
    *("hidden", "pinned", "removed", "revoked"),
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
_OF_ARTIFACTS: Final = "(key = 'digest' and type like 'artifact.%')"
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
    """

    groups: Sequence[str] | None = None
    deployment: str | None = None
    user: str | None = None
    refused: bool | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: int | None = None


class AuditReads(Statements):
    """Reads of the audit."""

    async def audit(self, wish: AuditWish, *, before: int | None = None, limit: int) -> list[AuditRow]:
        """Return what was asked for, the newest first, with a sequence below `before`."""
        wanted = Filter().add("origin is not null").in_groups(wish.groups)
        wanted.add(f"(deployment = {{0}} or {_REFUSED} and body->>'deployment' = {{0}})", wish.deployment)
        wanted.add("origin->>'user' = {}", wish.user)
        wanted.add(f"({_REFUSED}) = {{}}::boolean", wish.refused)
        wanted.add("time >= {}", wish.since).add("time < {}", wish.until)
        wanted.add("sequence > {}", wish.after).add("sequence < {}", before)
        return await self._page(_AUDIT, wanted, "sequence desc", limit, _SELECT)
