"""Ids and digests of requests: the same request repeated is the same command."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from slipway_contracts.envelope import new_id
from slipway_contracts.names import derived_id

from slipway_api.identity.access import Principal
from slipway_api.refusing import problems


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Who asks for what, and under which conditions: the part that all mutations share.

    Attributes:
        id: id of the command, and so of its operation.
        digest: hash of route and body.
        repeatable: the client sent an Idempotency-Key, so this may be a repeat.
        if_match: sequence that the deployment's last command must have.
        traceparent: W3C trace context of the request.
    """

    caller: Principal
    id: str
    digest: str
    repeatable: bool
    if_match: int | None = None
    dry_run: bool = False
    traceparent: str | None = None

    def check(self, recorded_digest: str) -> None:
        """Refuse a key that stands for another request.

        Raises:
            IdempotencyKeyReusedError: the recorded command came from another body.
        """
        if recorded_digest != self.digest:
            raise problems.IdempotencyKeyReusedError(
                f"This Idempotency-Key was used for another body, by operation {self.id}.",
                hint="Send the first body again to get its operation, or take a new key for this one.",
                operation=self.id,
            )


def command_id(caller: Principal, route: str, key: str | None) -> str:
    """Return the id of the command that this request is; a repeat with the same key gets the same."""
    return new_id() if key is None else derived_id(caller.user, route, key)


def request_digest(route: str, body: Any) -> str:  # noqa: ANN401 - any JSON
    """Return the hash of what is asked for, as the client spelled it."""
    canonical = json.dumps([route, body], sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
