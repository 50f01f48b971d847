"""What every command has of the request that it comes from."""

from typing import Any

from slipway_api.submitting.idempotency import Ask


def command_members(ask: Ask, group: str, deployment: str) -> dict[str, Any]:
    """Return the members that all commands share."""
    return {
        "group": group,
        "deployment": deployment,
        "by": ask.caller.user,
        "request_digest": ask.digest,
    }
