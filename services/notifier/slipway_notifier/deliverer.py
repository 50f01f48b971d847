"""One attempt to deliver one message: opened secret, signed bodies, POST, and what the answer means."""

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind, StatusCode
from slipway_chassis.errors import SlipwayError
from slipway_chassis.feed import Entry, Gap
from slipway_chassis.secrets import Secrets, Vault
from slipway_chassis.telemetry import Telemetry, current_traceparent
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.size import SecretRef
from slipway_contracts.subjects import NONE

from slipway_notifier.contents import GAP, Content, contents_of, gap_content
from slipway_notifier.meters import Meters
from slipway_notifier.outcome import Delivered, DeliveryError, Failed, Gone, Meaningless, Outcome
from slipway_notifier.sender import PORTS, Answer, Sender
from slipway_notifier.signing import signatures, signing_key

SOURCE: Final = "/slipway/notifier"
"""Of the events that are the notifier's own."""
_AGENT: Final = "slipway-notifier"
_LATER: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class Deliverer:
    """Delivers; each call is one attempt.

    Args:
        vault: opens the secrets of webhooks.
        secrets: has them, sealed.
        sender: posts.
        telemetry: one client span per attempt, in the trace of the event.
        meters: counts attempts.
    """

    def __init__(
        self, *, vault: Vault, secrets: Secrets, sender: Sender, telemetry: Telemetry, meters: Meters
    ) -> None:
        self._vault = vault
        self._secrets = secrets
        self._sender = sender
        self._telemetry = telemetry
        self._meters = meters
        self._keys: dict[tuple[str, int], bytes] = {}
        self._taken: dict[str, tuple[tuple[WebhookConfigured, int], int]] = {}

    async def forget(self, webhook: str, group: str | None) -> None:
        """Forget a webhook that was removed, and its secret: nobody else removes that after a 410.

        Raises:
            LogUnavailableError: not confirmed in time; repeat it.
        """
        await self._secrets.remove(group or NONE, webhook)
        for key in [key for key in self._keys if key[0] == webhook]:
            del self._keys[key]
        self._taken.pop(webhook, None)

    async def keys_of(self, webhook: WebhookConfigured) -> Sequence[bytes]:
        """Return the keys that sign now: the present one, and for a while the one before.

        Raises:
            DeliveryError: they cannot be opened.
        """
        versions = [webhook.secret]
        if webhook.former_secret is not None and webhook.former_until and now() < webhook.former_until:
            versions.append(webhook.former_secret)
        missing = [version for version in versions if (webhook.webhook, version) not in self._keys]
        refs = {str(version): SecretRef(secret=webhook.webhook, version=version) for version in missing}
        try:
            opened = await self._vault.open(webhook.group or NONE, refs)
            for version in missing:
                self._keys[webhook.webhook, version] = signing_key(opened[str(version)])
        except (SlipwayError, ValueError) as error:
            raise DeliveryError("unsigned", f"the secret cannot be opened: {error}", fault="ours") from None
        return [self._keys[webhook.webhook, version] for version in versions]

    async def look(self, webhook: WebhookConfigured) -> Failed | None:
        """Say, before there is anything to send, why nothing could be sent; None: no reason is known."""
        try:
            await self._sender.look(webhook.url)
        except DeliveryError as error:
            return Failed(kind=error.kind, problem=str(error), fault=error.fault)
        return None

    async def deliver(self, webhook: WebhookConfigured, entry: Entry) -> Outcome:
        """Try once, and say what came of it.

        Where a message is several events, those that were taken are not sent again while this process lives.
        """
        contents = contents_of(entry, webhook.format)
        if not contents:
            return Meaningless()
        parent = entry.stored.headers.get("traceparent")
        begun, taken = self._taken.get(webhook.webhook, (None, 0))
        taken = taken if begun == (webhook, entry.sequence) else 0
        for number, content in enumerate(contents[taken:], start=taken + 1):
            outcome = await self.send(webhook, content, type_=entry.type, parent=parent)
            if not isinstance(outcome, Delivered):
                return outcome
            if number < len(contents):
                self._taken[webhook.webhook] = (webhook, entry.sequence), number
        self._taken.pop(webhook.webhook, None)
        return Delivered()

    async def tell_gap(self, webhook: WebhookConfigured, gap: Gap) -> Outcome:
        """Try once to tell of what the log no longer has, whatever types are wanted."""
        return await self.send(webhook, gap_content(webhook, gap, source=SOURCE), type_=GAP)

    async def send(
        self, webhook: WebhookConfigured, content: Content, *, type_: str, parent: str | None = None
    ) -> Outcome:
        """Make one attempt with one event, in the trace of its message, and count it."""
        began = time.monotonic()
        attributes = {"slipway.message.type": type_, **_request_attributes(webhook.url)}
        with self._telemetry.span(
            "POST webhook", kind=SpanKind.CLIENT, parent=parent, attributes=attributes
        ) as span:
            outcome: Outcome
            error_type: str | None
            try:
                answer = await self.post(webhook, content)
            except DeliveryError as error:
                outcome = Failed(kind=error.kind, problem=str(error), fault=error.fault)
                error_type = error.kind
            else:
                outcome = _meaning(answer)
                error_type = None if answer.is_success else str(answer.status)
                span.set_attribute("http.response.status_code", answer.status)
            if error_type is not None:
                span.set_attribute("error.type", error_type)
                span.set_status(StatusCode.ERROR)
        self._meters.attempted(outcome, seconds=time.monotonic() - began)
        return outcome

    async def post(self, webhook: WebhookConfigured, content: Content) -> Answer:
        """Post one signed event.

        Raises:
            DeliveryError: nothing was sent, or nothing came back.
        """
        keys = await self.keys_of(webhook)
        return await self._sender.post(webhook.url, _headers(content, keys), content.body)


def _request_attributes(url: str) -> dict[str, str | int]:
    """Return what OpenTelemetry's conventions ask of a client span; not the path, which may hold a token."""
    parts = urlsplit(url)
    port = parts.port or PORTS[parts.scheme]
    return {"http.request.method": "POST", "server.address": parts.hostname or "", "server.port": port}


def _headers(content: Content, keys: Sequence[bytes]) -> Mapping[str, str]:
    timestamp = int(time.time())
    traceparent = current_traceparent()
    return {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": _AGENT,
        "webhook-id": content.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures(keys, message=content.id, timestamp=timestamp, body=content.body),
        **({"traceparent": traceparent} if traceparent else {}),
    }


def _meaning(answer: Answer) -> Outcome:
    if answer.is_success:
        return Delivered()
    if answer.status == HTTPStatus.GONE:
        return Gone()
    later = answer.retry_after if answer.status in _LATER else None
    return Failed(kind="refused", problem=f"the receiver answered {answer.title}", retry_after=later)
