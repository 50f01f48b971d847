"""The audit as clients see it: who did what from where, or tried to."""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue
from slipway_store.audit_reads import AuditRow

from slipway_api.views import View

_COMMAND = "command."


class AuditEntry(View):
    """A change that somebody asked for, or like requests for one that were refused.

    A request that says several things has several entries, with the same `request`.
    """

    sequence: int = Field(description="Position in the log.")
    time: AwareDatetime
    request: str = Field(description="`X-Request-Id` of the answer; of several like ones, the last.")
    user: str | None = Field(default=None, description="None: the request came without a valid key.")
    address: str | None = Field(default=None, description="Of the client.")
    agent: str | None = Field(default=None, description="Its `User-Agent`.")
    action: str = Field(
        description="Type of the message in the log; of a refused request, method and route.",
        examples=["command.deploy.v1", "DELETE /v1/keys/{key}"],
    )
    group: str | None = None
    deployment: str | None = None
    operation: str | None = Field(default=None, description="Where it is a command.")
    details: Mapping[str, JsonValue] = Field(
        default_factory=dict,
        description="Names and flags of what was asked for; the message itself has the rest.",
        examples=[{"secret": "database-url", "removed": True}],
    )
    outcome: Literal["accepted", "refused"]
    status: int | None = Field(default=None, description="HTTP status of the refusal.")
    reason: str | None = Field(default=None, description="Of the refusal, as its problem document had it.")
    message: str | None = Field(default=None, description="What the refusal said.")
    count: int = Field(default=1, description="How many like requests it stands for.")
    untold: int = Field(
        default=0, description="Refused requests of other kinds before this one that were too many to tell."
    )


def audit_entry(row: AuditRow) -> AuditEntry:
    """Return the entry of a message."""
    origin, refused = row.origin, row.refused
    return AuditEntry(
        sequence=row.sequence,
        time=row.time,
        request=origin.request,
        user=origin.user,
        address=origin.address,
        agent=origin.agent,
        action=f"{refused.method} {refused.route}" if refused else row.type,
        group=row.group,
        deployment=refused.deployment if refused else row.deployment,
        operation=row.id if row.type.startswith(_COMMAND) else None,
        details=row.details or {},
        outcome="refused" if refused else "accepted",
        status=refused.status if refused else None,
        reason=refused.reason if refused else None,
        message=refused.message if refused else None,
        count=refused.count if refused else 1,
        untold=refused.untold if refused else 0,
    )
