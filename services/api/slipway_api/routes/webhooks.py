"""Webhooks of a group: managed by its admins."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import Path
from slipway_contracts.names import OperationId
from starlette.responses import Response

from slipway_api.answers.views import Page
from slipway_api.answers.webhook_views import NewWebhook, Webhook, WebhookPing
from slipway_api.bodies.webhook_requests import RotateSecretBody, WebhookBody, WebhookPatch
from slipway_api.refusing import problems
from slipway_api.refusing.webhook_problems import (
    TooManyWebhooksError,
    WebhookNotFoundError,
    WebhookUnansweredError,
)
from slipway_api.routes.answers import Responses, as_json, responses
from slipway_api.routes.parameters import AdminGroup, Api, Caller, InEarnest
from slipway_api.routes.part import make_router
from slipway_api.services import Services

router: Final = make_router("/v1/groups/{group}/webhooks", tags=("webhooks",))
Body = TypeVar("Body", WebhookBody, WebhookPatch)
WebhookPath = Annotated[OperationId, Path(description="Id of the webhook.")]
_WRITING: Final = (
    problems.MalformedBodyError,
    problems.BodyTooLargeError,
    problems.ChangedMeanwhileError,
    problems.LogUnavailableError,
    problems.StorageFullError,
)
_OF_GROUP: Final = (problems.GroupNotFoundError,)


def of_reads(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a route that shows webhooks."""
    return responses(problems.LogUnavailableError, *more)


def of_creation(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a route that makes one."""
    return responses(TooManyWebhooksError, problems.SecretsUnavailableError, *_WRITING, *more)


def of_changes(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a route that changes one."""
    return responses(WebhookNotFoundError, *_WRITING, *more)


def of_rotation(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a route that gives one a new secret."""
    return responses(WebhookNotFoundError, problems.SecretsUnavailableError, *_WRITING, *more)


def of_pings(*more: type[problems.ProblemError]) -> Responses:
    """Return the OpenAPI responses of a route that tests one."""
    return responses(WebhookNotFoundError, WebhookUnansweredError, *_WRITING[2:], *more)


def created(webhook: NewWebhook) -> Response:
    """Return the answer that shows a new webhook and its secret."""
    owner = "/v1" if webhook.group is None else f"/v1/groups/{webhook.group}"
    headers = {"Location": f"{owner}/webhooks/{webhook.id}", "Cache-Control": "no-store"}
    return as_json(webhook, status=HTTPStatus.CREATED, headers=headers)


def rotated(webhook: NewWebhook) -> Response:
    """Return the answer that shows a new secret."""
    return as_json(webhook, headers={"Cache-Control": "no-store"})


CREATED: Final[dict[str, Any]] = {
    "dependencies": [InEarnest],
    "response_model": NewWebhook,
    "status_code": HTTPStatus.CREATED,
}
REMOVED: Final[dict[str, Any]] = {"dependencies": [InEarnest], "status_code": HTTPStatus.NO_CONTENT}
PINGED: Final[dict[str, Any]] = {"dependencies": [InEarnest], "response_model": WebhookPing}
ROTATED: Final[dict[str, Any]] = {"dependencies": [InEarnest], "response_model": NewWebhook}


async def _by_id(api: Services, group: str, body: Body) -> Body:
    """Return the body with the id of the deployment that it names, if it does: events are told by it."""
    if body.deployment is None:
        return body
    return body.model_copy(update={"deployment": await api.id_of(group, body.deployment)})


@router.get("", responses=of_reads(*_OF_GROUP), summary="List the webhooks of a group")
async def list_webhooks(*, group: AdminGroup, api: Api) -> Page[Webhook]:
    """Lists where events of the group are sent, and how far each receiver is; no secret."""
    return Page(items=await api.webhooks.all(group))


@router.post("", **CREATED, responses=of_creation(*_OF_GROUP), summary="Make a webhook")
async def create_webhook(*, group: AdminGroup, body: WebhookBody, caller: Caller, api: Api) -> Response:
    """Sends events of the group from now on, and shows the secret that verifies them, once.

    Every event is a POST of a structured CloudEvent, signed as Standard Webhooks says, in the order of the
    log, and repeated with growing waits until the answer is 2xx. 410 removes the webhook.
    A repeat makes another one: remove what you did not get to see.
    """
    return created(await api.webhooks.create(group, await _by_id(api, group, body), by=caller.user))


@router.get("/{webhook}", responses=of_reads(WebhookNotFoundError, *_OF_GROUP), summary="Show a webhook")
async def get_webhook(*, group: AdminGroup, webhook: WebhookPath, api: Api) -> Webhook:
    """Shows a webhook and how far its receiver is."""
    return await api.webhooks.show(group, webhook)


@router.patch(
    "/{webhook}", dependencies=[InEarnest], responses=of_changes(*_OF_GROUP), summary="Change a webhook"
)
async def update_webhook(
    *, group: AdminGroup, webhook: WebhookPath, body: WebhookPatch, caller: Caller, api: Api
) -> Webhook:
    """Changes what the body names; one that waits or was given up is tried at once, with `{}` too."""
    return await api.webhooks.change(group, webhook, await _by_id(api, group, body), by=caller.user)


@router.delete("/{webhook}", **REMOVED, responses=of_changes(*_OF_GROUP), summary="Remove a webhook")
async def delete_webhook(*, group: AdminGroup, webhook: WebhookPath, caller: Caller, api: Api) -> None:
    """Ends it: a delivery that is under way may still arrive."""
    await api.webhooks.remove(group, webhook, by=caller.user)


@router.post(
    "/{webhook}/rotate", **ROTATED, responses=of_rotation(*_OF_GROUP), summary="Rotate a webhook's secret"
)
async def rotate_webhook(
    *, group: AdminGroup, webhook: WebhookPath, body: RotateSecretBody, caller: Caller, api: Api
) -> Response:
    """Makes a new secret and shows it, once; both sign for `grace_seconds`."""
    grace = timedelta(seconds=body.grace_seconds)
    return rotated(await api.webhooks.rotate(group, webhook, grace, by=caller.user))


@router.post("/{webhook}/ping", **PINGED, responses=of_pings(*_OF_GROUP), summary="Test a webhook")
async def ping_webhook(*, group: AdminGroup, webhook: WebhookPath, caller: Caller, api: Api) -> WebhookPing:
    """Sends a signed `webhook.pinged.v1` at once, also to a disabled webhook, and says what came of it.

    It is sent once, beside the queue: position and failures of the webhook stay as they are.
    """
    return await api.webhooks.ping(group, webhook, by=caller.user)
