"""The audit as clients see it: who did what from where, or tried to."""

from collections.abc import Mapping
from typing import Literal

from pydantic import AwareDatetime, Field, JsonValue
from slipway_store.audit_reads import AuditRow

from slipway_api.answers.views import View

_COMMAND = "command."


class AuditEntry(View):
    """A change that somebody asked for, or like requests for one that were refused.

    A request that says several things has several entries, with the same `request`.
    """

    sequence: int = Field(description="Position in the log.")
    id: str = Field(description="Of the message in the log.")
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
    outcome: Literal["accepted", "refused", "unknown", "partial"] = Field(
        description="`accepted`: the log has it. `refused`: nothing was changed. `unknown`: the log did not "
        "confirm it; it has it where there is an entry whose `id` is `unconfirmed`. `partial`: the answer "
        "was an error, but the log has some of it, or all: the entries with the same `request`."
    )
    unconfirmed: str | None = Field(
        default=None, description="Id of what the log may have; of a command, of its operation too."
    )
    status: int | None = Field(default=None, description="HTTP status of the error.")
    reason: str | None = Field(default=None, description="Of the error, as its problem document had it.")
    message: str | None = Field(default=None, description="What the error said.")
    dry_run: bool = Field(default=False, description="It would have changed nothing.")
    count: int = Field(default=1, description="How many like requests it stands for.")
    others: int = Field(
        default=0,
        description="Requests of other kinds of the same user, or without a key of the same network, that "
        "were refused as well and too many to tell each.",
    )
    untold: int = Field(
        default=0, description="Requests of others that were refused as well and too many to tell."
    )


def audit_entry(row: AuditRow) -> AuditEntry:
    """Return the entry of a message."""
    origin, refused = row.origin, row.refused
    return AuditEntry(
        sequence=row.sequence,
        id=row.id,
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
        outcome=refused.outcome if refused else "accepted",
        unconfirmed=refused.unconfirmed if refused else None,
        status=refused.status if refused else None,
        reason=refused.reason if refused else None,
        message=refused.message if refused else None,
        count=refused.count if refused else 1,
        dry_run=refused.dry_run if refused else False,
        others=refused.others if refused else 0,
        untold=refused.untold if refused else 0,
    )
