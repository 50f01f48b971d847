"""Each way to change something is in the audit once: by whom, from where, what, and of what."""

import json
from typing import Any, Final

from api_walk import (
    ARTIFACTS,
    DEPLOYMENTS,
    DIGITS,
    OWNED,
    Step,
    Walk,
    mutations,
    of_access,
    of_releases,
    of_the_installation,
    of_webhooks,
)
from api_world import Api

COMMANDS: Final = {
    f"POST {DEPLOYMENTS}": "deploy",
    f"PATCH {DIGITS}": "configure",
    f"DELETE {DIGITS}": "delete",
    f"POST {DIGITS}/builds": "build",
    f"POST {DIGITS}/builds/{{build}}/cancel": "cancel-build",
    f"PUT {DIGITS}/aliases/{{alias}}": "set-alias",
    f"DELETE {DIGITS}/aliases/{{alias}}": "remove-alias",
    f"PUT {DIGITS}/releases/{{number}}/pin": "pin",
    f"DELETE {DIGITS}/releases/{{number}}/pin": "pin",
    **{f"POST {DIGITS}/{verb}": verb for verb in ("deploy", "redeploy", "cancel", "stop", "start")},
    **{f"POST {DIGITS}/{verb}": verb for verb in ("undelete", "purge")},
    **{f"POST {DIGITS}/{verb}": "redeploy" for verb in ("update", "restart", "scale", "rollback")},
    f"PUT {DIGITS}/access": "configure",
    f"POST {DIGITS}/access/keys": "configure",
    f"POST {DIGITS}/access/keys/{{key}}/rotate": "configure",
    f"DELETE {DIGITS}/access/keys/{{key}}": "configure",
    f"POST {DIGITS}/access/users": "configure",
    f"DELETE {DIGITS}/access/users/{{name}}": "configure",
}
EVENTS: Final = {
    "PUT /v1/groups/{group}": "group.configured",
    "PUT /v1/instance-types/{name}": "instance-type.configured",
    "DELETE /v1/instance-types/{name}": "instance-type.configured",
    "POST /v1/keys": "key.configured",
    "DELETE /v1/keys/{key}": "key.configured",
    "DELETE /v1/gateways/{gateway}": "gateway.removed",
    "PUT /v1/groups/{group}/secrets/{name}": "secret.configured",
    "DELETE /v1/groups/{group}/secrets/{name}": "secret.configured",
    f"POST {DIGITS}/versions/{{version}}/hide": "version.hidden",
    f"POST {DIGITS}/versions/{{version}}/unhide": "version.hidden",
    f"POST {ARTIFACTS}/adopt": "artifact.adopted",
    f"POST {ARTIFACTS}/{{digest}}/hide": "artifact.hidden",
    f"POST {ARTIFACTS}/{{digest}}/unhide": "artifact.hidden",
    f"PUT {ARTIFACTS}/{{digest}}": "artifact.uploaded",
    "POST /v1/dead/{sequence}/retry": "message.retried",
    "POST /v1/dead/{sequence}/discard": "message.discarded",
    **{
        f"{verb}": "webhook.configured"
        for path in ("/v1/groups/{group}/webhooks", "/v1/webhooks")
        for verb in (
            f"POST {path}",
            f"PATCH {path}/{{webhook}}",
            f"POST {path}/{{webhook}}/rotate",
            f"DELETE {path}/{{webhook}}",
        )
    },
    **{
        f"POST {path}/{{webhook}}/ping": "webhook.pinged"
        for path in ("/v1/groups/{group}/webhooks", "/v1/webhooks")
    },
}
ACTIONS: Final = {
    **{route: f"command.{verb}.v1" for route, verb in COMMANDS.items()},
    **{route: f"{event}.v1" for route, event in EVENTS.items()},
}
COMPANIONS: Final = {
    f"POST {DEPLOYMENTS}": {"name.claimed.v1"},
    f"POST {DIGITS}/undelete": {"name.claimed.v1"},
    "POST /v1/dead/{sequence}/retry": {"command.deploy.v1", "name.claimed.v1"},
}
"""What else the log has of one request, told as entries of their own."""
SETTINGS: Final = f"{DIGITS}/access"
"""What these name lies deep in the settings, which the message itself has in full."""


async def exported(api: Api) -> str:
    """Return the whole audit as lines of JSON."""
    query: dict[str, Any] = {"at_least": await api.platform.log.end(), "order": "oldest"}
    answer = await api.http.get("/v1/audit", params=query, headers={"Accept": "application/jsonl"})
    assert answer.status_code == 200, answer.text
    return answer.text


def lacking(step: Step, entries: list[dict[str, Any]]) -> str | None:
    """Return what the audit lacks of a request; None: nothing."""
    mine = [entry for entry in entries if entry["request"] == step.request]
    own = [entry for entry in mine if entry["action"] == ACTIONS[step.route]]
    others = {entry["action"] for entry in mine} - {ACTIONS[step.route]}
    if len(own) != 1 or len(mine) != 1 + len(others) or others != COMPANIONS.get(step.route, set()):
        return f"{step.route}: told as {[entry['action'] for entry in mine]}"
    (entry,) = own
    whose = (entry["user"], entry["address"], entry["agent"], entry["outcome"])
    if whose != ("admin", "127.0.0.1", "walker/1 (??)", "accepted"):
        return f"{step.route}: told of {whose}"
    if any(entry[name] != value for name, value in step.values.items() if name in OWNED):
        return f"{step.route}: told of {entry['group']}/{entry['deployment']}"
    named = {str(value) for name, value in step.values.items() if name not in OWNED}
    if SETTINGS not in step.route and not named <= {str(value) for value in entry["details"].values()}:
        return f"{step.route}: of {named} it says {entry['details']}"
    return None


async def test_every_successful_mutation_is_one_entry_with_who_where_what_and_of_what(
    equipped_api: Api,
) -> None:
    walk = Walk(equipped_api)
    await walk.everywhere()

    entries = [json.loads(line) for line in (await exported(equipped_api)).splitlines()]

    assert ACTIONS.keys() == mutations(), "a new route is told here too"
    assert {step.route for step in walk.steps} == mutations()
    assert [wrong for step in walk.steps if (wrong := lacking(step, entries))] == []
    assert {entry["request"] for entry in entries} == {step.request for step in walk.steps}


async def test_no_secret_that_a_request_sent_or_got_is_in_the_audit(equipped_api: Api) -> None:
    walk = Walk(equipped_api)
    await equipped_api.platform.publish_version("20260101.1")
    await equipped_api.platform.publish_version("20260101.2")
    for part in (of_the_installation, of_webhooks, of_releases, of_access):
        await part(walk)

    told = await exported(equipped_api)

    assert len(walk.secrets) > 8
    assert [secret for secret in walk.secrets if secret in told] == []
