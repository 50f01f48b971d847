"""Webhooks: made, changed, rotated, removed, and shown with what the notifier says of them.

A secret is sealed to the notifier and shown once; no message and no later answer holds it.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Final

from slipway_chassis.errors import ConflictError
from slipway_chassis.event_log import After, EventLog, Expect, Stored
from slipway_chassis.secrets import Recipients, Secrets
from slipway_contracts import subjects
from slipway_contracts.envelope import TYPE_PREFIX, new_id, now
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.size import SecretRef
from slipway_contracts.webhook_events import WebhookAnswered, WebhookPinged
from slipway_contracts.webhooks import WebhookKnown, WebhookProgress

from slipway_api.answers.webhook_views import NewWebhook, Webhook, WebhookDelivery, WebhookPing
from slipway_api.bodies.webhook_requests import WebhookBody, WebhookPatch
from slipway_api.installation.configuring import Configuring
from slipway_api.installation.directory import Directory
from slipway_api.installation.webhook_standing import WebhookStanding, notice
from slipway_api.refusing import problems
from slipway_api.refusing.webhook_problems import (
    TooManyWebhooksError,
    WebhookNotFoundError,
    WebhookUnansweredError,
    behind_the_end,
)

_ATTEMPTS: Final = 8
_MOST: Final = 100
_SECRET_BYTES: Final = 32
_PING_SECONDS: Final = 20.0
_ANSWERED: Final = TYPE_PREFIX + WebhookAnswered.model_fields["type"].default
Edit = Callable[[WebhookConfigured], WebhookConfigured]


class Webhooks:
    """Configures and shows webhooks; `group` None stands for the installation.

    Args:
        log: says what was configured last.
        configuring: puts it there.
        directory: knows it.
        secrets: the sealed secrets.
        recipients: the notifier; None: nobody could sign, so none can be made.
        standing: what becomes of them.
    """

    def __init__(
        self,
        *,
        log: EventLog,
        configuring: Configuring,
        directory: Directory,
        secrets: Secrets,
        recipients: Recipients | None,
        standing: WebhookStanding,
    ) -> None:
        self._log = log
        self._configuring = configuring
        self._directory = directory
        self._secrets = secrets
        self._recipients = recipients
        self._standing = standing

    async def create(self, group: str | None, body: WebhookBody, *, by: str) -> NewWebhook:
        """Make a webhook, and say at once if nothing may be sent to it; a repeat makes another one.

        Raises:
            InvalidRequestError: it shall begin behind the end of the log.
            SecretsUnavailableError: there are no keys to seal its secret with.
            TooManyWebhooksError: there are too many already.
        """
        await self._require_reached(body.after)
        await self._directory.current(subjects.group_events(group, "webhook"))
        if len(self._directory.webhooks.of(group)) >= _MOST:
            raise TooManyWebhooksError(
                f"There are {_MOST} webhooks here, the most that may be.",
                hint="Remove one that nobody needs.",
                limit=_MOST,
            )
        webhook = WebhookConfigured(
            group=group,
            webhook=new_id(),
            url=body.url,
            description=body.description,
            types=tuple(body.types),
            deployment=body.deployment,
            format=body.format,
            secret=1,
            after=body.after,
            by=by,
        )
        secret, _ = await self._new_secret(group, webhook.webhook, 1)
        sequence = await self._configuring.publish(webhook)
        progress, notice = await self._standing.first_word(webhook.webhook, sequence)
        shown = _shown(self._known(group, webhook.webhook), progress) | {"notice": notice}
        return NewWebhook.model_validate({**shown, "secret": secret, "sequence": sequence})

    async def change(self, group: str | None, webhook: str, patch: WebhookPatch, *, by: str) -> Webhook:
        """Change a webhook; one that waits or was given up is tried at once, unless it is disabled.

        Raises:
            InvalidRequestError: it shall go on behind the end of the log.
            WebhookNotFoundError: there is none.
            ChangedMeanwhileError: others changed it, each time it was tried.
        """
        await self._require_reached(patch.after)
        # Where it begins was said once: an edit that says nothing of it lets it go on.
        changes = {"after": None, **patch.changes(), "by": by}
        revision = await self._edit(group, webhook, lambda known: known.model_copy(update=changes))
        known = self._known(group, webhook)
        if not known.active:
            return await self.show(group, webhook)
        progress, notice = await self._standing.first_word(webhook, revision)
        return Webhook.model_validate(_shown(known, progress) | {"notice": notice})

    async def rotate(self, group: str | None, webhook: str, grace: timedelta, *, by: str) -> NewWebhook:
        """Give a webhook a new secret; the one before signs as well for a while.

        Raises:
            WebhookNotFoundError: there is none.
            SecretsUnavailableError: there are no keys to seal its secret with.
            ChangedMeanwhileError: others changed it, each time it was tried.
        """
        await self._directory.current(subjects.group_events(group, "webhook"))
        newest = self._known(group, webhook).configured.secret
        secret, version = await self._new_secret(group, webhook, newest + 1)

        def rotated(known: WebhookConfigured) -> WebhookConfigured:
            former = {"former_secret": known.secret, "former_until": now() + grace}
            return known.model_copy(update={"secret": version, "after": None, "by": by, **former})

        sequence = await self._edit(group, webhook, rotated)
        shown = _shown(self._known(group, webhook), await self._standing.of(webhook))
        return NewWebhook.model_validate({**shown, "secret": secret, "sequence": sequence})

    async def remove(self, group: str | None, webhook: str, *, by: str) -> None:
        """Send nothing to a webhook any more, and forget its secret.

        Raises:
            WebhookNotFoundError: there is none.
            ChangedMeanwhileError: others changed it, each time it was tried.
        """
        gone = {"removed": True, "after": None, "by": by}
        await self._edit(group, webhook, lambda known: known.model_copy(update=gone))
        await self._secrets.remove(group or subjects.NONE, webhook)

    async def ping(self, group: str | None, webhook: str, *, by: str) -> WebhookPing:
        """Let a signed test event be sent at once, also to a disabled webhook, and return what came of it.

        Raises:
            WebhookNotFoundError: there is none.
            WebhookUnansweredError: no notifier said what came of it.
            LogUnavailableError: what the notifier says of it cannot be read.
        """
        await self._directory.current(subjects.group_events(group, "webhook"))
        known = self._known(group, webhook)
        before = _of_now(known, await self._standing.of(webhook))
        message = WebhookPinged(group=group, webhook=known.id, by=by)
        sequence = await self._configuring.publish(message)
        try:
            async with asyncio.timeout(_PING_SECONDS):
                answer = await self._answer_to(group, sequence)
        except TimeoutError:
            raise WebhookUnansweredError(
                f"Nobody said within {_PING_SECONDS:g} s what came of the test.",
                hint="Events are sent once a notifier runs again: ask the operator to look at it.",
                webhook=webhook,
            ) from None
        told = answer.model_dump(include={"delivered", "status", "seconds", "problem"})
        notice = _after(answer, known, before)
        return WebhookPing.model_validate({**told, "sequence": sequence, "notice": notice})

    async def _answer_to(self, group: str | None, ping: int) -> WebhookAnswered:
        events = subjects.group_events(group, "webhook")
        async with aclosing(self._log.follow(events, start=After(ping))) as items:
            async for item in items:
                if not isinstance(item, Stored) or item.headers.get("ce-type") != _ANSWERED:
                    continue
                answer = item.readable
                if isinstance(answer, WebhookAnswered) and answer.ping == ping:
                    return answer
        raise AssertionError("a log is followed until nobody wants more of it")

    async def show(self, group: str | None, webhook: str) -> Webhook:
        """Return a webhook, with what waits for it.

        Raises:
            WebhookNotFoundError: there is none.
            LogUnavailableError: what the notifier says of it cannot be read.
        """
        known, progress = self._known(group, webhook), await self._standing.of(webhook)
        pending = await self._standing.pending(known, _of_now(known, progress))
        return Webhook.model_validate(_shown(known, progress) | {"pending": pending})

    async def all(self, group: str | None) -> list[Webhook]:
        """Return the webhooks of a group or of the installation, in the order of their creation.

        Raises:
            LogUnavailableError: what the notifier says of them cannot be read.
        """
        known = self._directory.webhooks.of(group)
        told = await self._standing.told() if known else {}
        return [Webhook.model_validate(_shown(each, told.get(each.id))) for each in known]

    async def _require_reached(self, after: int | None) -> None:
        if after is not None and after > (end := await self._log.end()):
            raise behind_the_end(after, end)

    async def _edit(self, group: str | None, webhook: str, edit: Edit) -> int:
        subject = subjects.group_events(group, "webhook")
        for _ in range(_ATTEMPTS):
            last = await self._log.last(subject)
            await self._directory.current(subject)
            wanted = edit(self._known(group, webhook).configured)
            expect = Expect(sequence=last.sequence if last else 0, subject=subject)
            try:
                return await self._configuring.publish(wanted, expect=expect)
            except ConflictError:
                continue
        raise problems.ChangedMeanwhileError(
            f"Others changed webhooks here first, {_ATTEMPTS} times in a row.",
            hint="Look at what the others did, then try again.",
            attempts=_ATTEMPTS,
        )

    async def _new_secret(self, group: str | None, webhook: str, version: int) -> tuple[str, int]:
        if self._recipients is None:
            raise problems.SecretsUnavailableError(
                "This installation has no key of a notifier to seal the secret with.",
                hint="Ask the operator to name the notifier's public key in SLIPWAY_SECRET_KEYS of the api; "
                "a standalone installation makes it at `slipway up`.",
            )
        secret = f"whsec_{b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"
        sealed = self._recipients.seal(secret)
        while True:
            ref = SecretRef(secret=webhook, version=version)
            try:
                await self._secrets.put(group or subjects.NONE, ref, sealed)
            except ConflictError:
                version += 1  # somebody else rotates it too
            else:
                return secret, version

    def _known(self, group: str | None, webhook: str) -> WebhookKnown:
        known = self._directory.webhooks.find(group, webhook)
        if known is None:
            raise self._not_found(group, webhook)
        return known

    def _not_found(self, group: str | None, webhook: str) -> WebhookNotFoundError:
        path = "/v1/webhooks" if group is None else f"/v1/groups/{group}/webhooks"
        gone = self._directory.webhooks.gone(group, webhook)
        if gone is None:
            return WebhookNotFoundError(
                f"There is no webhook {webhook} here, or it was removed.",
                hint=f"List them with GET {path}.",
                webhook=webhook,
                group=group,
            )
        return WebhookNotFoundError(
            f"Webhook {webhook} to {gone.configured.url} was removed, because {gone.removed.message}.",
            hint=f"If events shall be sent there again: POST {path}; with `after` "
            f"{gone.removed.position} also those that were missed.",
            webhook=webhook,
            group=group,
            removed_because=gone.removed.reason,
            position=gone.removed.position,
        )


def _after(answer: WebhookAnswered, known: WebhookKnown, before: WebhookProgress | None) -> str | None:
    """Return what becomes, after a test, of the events that wait; None: nothing that it changed."""
    if not answer.delivered:
        return None
    if known.active:
        waited = before is not None and before.next_attempt_at is not None
        return "Events that waited because of earlier failures are sent now." if waited else None
    return "It took the test alone: the webhook is disabled. Enabled, it gets what it missed."


def _of_now(known: WebhookKnown, progress: WebhookProgress | None) -> WebhookProgress | None:
    """Return the progress, if it counts from where this webhook begins."""
    return progress if progress is not None and progress.begun == known.begun else None


def _shown(known: WebhookKnown, progress: WebhookProgress | None) -> dict[str, object]:
    wanted, ended = known.configured, known.ended
    state = "disabled" if wanted.disabled else "active" if ended is None else ended.reason
    told = _of_now(known, progress)
    return {
        "id": known.id,
        "group": wanted.group,
        "url": wanted.url,
        "description": wanted.description,
        "types": list(wanted.types),
        "deployment": wanted.deployment,
        "format": wanted.format,
        "state": state,
        "reason": None if ended is None else ended.message,
        "former_secret_until": wanted.former_until,
        "created_at": known.created_at,
        "created_by": known.created_by,
        "changed_at": known.changed_at,
        "changed_by": wanted.by,
        "delivery": None if told is None else WebhookDelivery.model_validate(told),
        "notice": notice(known, told),
    }
