"""Webhooks of the installation, which get the events of all groups: managed by admins of all groups."""

from datetime import timedelta
from typing import Final

from starlette.responses import Response

from slipway_api.answers.views import Page
from slipway_api.answers.webhook_views import Webhook, WebhookPing
from slipway_api.bodies.webhook_requests import RotateSecretBody, WebhookBody, WebhookPatch
from slipway_api.refusing.webhook_problems import WebhookNotFoundError
from slipway_api.routes.parameters import Admin, Api, InEarnest
from slipway_api.routes.part import make_router
from slipway_api.routes.webhooks import (
    CREATED,
    PINGED,
    REMOVED,
    ROTATED,
    WebhookPath,
    created,
    of_changes,
    of_creation,
    of_pings,
    of_reads,
    of_rotation,
    rotated,
)

router: Final = make_router("/v1/webhooks", tags=("webhooks",))


@router.get("", responses=of_reads(), summary="List the webhooks of the installation")
async def list_installation_webhooks(*, _admin: Admin, api: Api) -> Page[Webhook]:
    """Lists where events of all groups are sent, and how far each receiver is; those of groups are theirs."""
    return Page(items=await api.webhooks.all(None))


@router.post("", **CREATED, responses=of_creation(), summary="Make a webhook of the installation")
async def create_installation_webhook(*, body: WebhookBody, caller: Admin, api: Api) -> Response:
    """Sends events of all groups and of the installation from now on, and shows the secret, once."""
    return created(await api.webhooks.create(None, body, by=caller.user))


@router.get(
    "/{webhook}", responses=of_reads(WebhookNotFoundError), summary="Show a webhook of the installation"
)
async def get_installation_webhook(*, webhook: WebhookPath, _admin: Admin, api: Api) -> Webhook:
    """Shows a webhook and how far its receiver is."""
    return await api.webhooks.show(None, webhook)


@router.patch(
    "/{webhook}",
    dependencies=[InEarnest],
    responses=of_changes(),
    summary="Change a webhook of the installation",
)
async def update_installation_webhook(
    *, webhook: WebhookPath, body: WebhookPatch, caller: Admin, api: Api
) -> Webhook:
    """Changes what the body names; one that waits or was given up is tried at once, with `{}` too."""
    return await api.webhooks.change(None, webhook, body, by=caller.user)


@router.delete(
    "/{webhook}", **REMOVED, responses=of_changes(), summary="Remove a webhook of the installation"
)
async def delete_installation_webhook(*, webhook: WebhookPath, caller: Admin, api: Api) -> None:
    """Ends it: a delivery that is under way may still arrive."""
    await api.webhooks.remove(None, webhook, by=caller.user)


@router.post(
    "/{webhook}/rotate",
    **ROTATED,
    responses=of_rotation(),
    summary="Rotate the secret of a webhook of the installation",
)
async def rotate_installation_webhook(
    *, webhook: WebhookPath, body: RotateSecretBody, caller: Admin, api: Api
) -> Response:
    """Makes a new secret and shows it, once; both sign for `grace_seconds`."""
    grace = timedelta(seconds=body.grace_seconds)
    return rotated(await api.webhooks.rotate(None, webhook, grace, by=caller.user))


@router.post("/{webhook}/ping", **PINGED, responses=of_pings(), summary="Test a webhook of the installation")
async def ping_installation_webhook(*, webhook: WebhookPath, caller: Admin, api: Api) -> WebhookPing:
    """Sends a signed `webhook.pinged.v1` at once, also to a disabled webhook, and says what came of it."""
    return await api.webhooks.ping(None, webhook, by=caller.user)
