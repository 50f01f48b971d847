"""One attempt to deliver one event: opened secret, signed body, POST, and what the answer means."""

import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from opentelemetry.trace import SpanKind
from slipway_chassis.errors import SlipwayError
from slipway_chassis.secrets import Vault
from slipway_chassis.telemetry import Telemetry, current_traceparent
from slipway_contracts.envelope import now
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.size import SecretRef
from slipway_contracts.subjects import NONE

from slipway_notifier.feed import Entry
from slipway_notifier.meters import Meters
from slipway_notifier.outcome import Delivered, DeliveryError, Failed, Gone, Outcome
from slipway_notifier.sender import Answer, Sender
from slipway_notifier.signing import signatures, signing_key

_AGENT: Final = "slipway-notifier"
_LATER: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


class Deliverer:
    """Delivers; each call is one attempt.

    Args:
        vault: opens the secrets of webhooks.
        sender: posts.
        telemetry: one client span per attempt, in the trace of the event.
        meters: counts attempts.
    """

    def __init__(self, *, vault: Vault, sender: Sender, telemetry: Telemetry, meters: Meters) -> None:
        self._vault = vault
        self._sender = sender
        self._telemetry = telemetry
        self._meters = meters
        self._keys: dict[tuple[str, int], bytes] = {}

    def forget(self, webhook: str) -> None:
        """Forget the keys of a webhook."""
        for key in [key for key in self._keys if key[0] == webhook]:
            del self._keys[key]

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
            raise DeliveryError("unsigned", f"the secret cannot be opened: {error}") from None
        return [self._keys[webhook.webhook, version] for version in versions]

    async def deliver(self, webhook: WebhookConfigured, entry: Entry) -> Outcome:
        """Try once, and say what came of it."""
        began = time.monotonic()
        parent = entry.stored.headers.get("traceparent")
        attributes = {"slipway.message.type": entry.type}
        with self._telemetry.span(
            "POST webhook", kind=SpanKind.CLIENT, parent=parent, attributes=attributes
        ) as span:
            try:
                outcome = await self._attempt(webhook, entry)
            except DeliveryError as error:
                outcome = Failed(kind=error.kind, problem=str(error))
            if isinstance(outcome, Failed):
                span.set_attribute("error.type", outcome.kind)
        self._meters.attempted(outcome, seconds=time.monotonic() - began)
        return outcome

    async def _attempt(self, webhook: WebhookConfigured, entry: Entry) -> Outcome:
        body = entry.cloud_event
        keys = await self.keys_of(webhook)
        return _meaning(await self._sender.post(webhook.url, _headers(entry, keys, body), body))


def _headers(entry: Entry, keys: Sequence[bytes], body: bytes) -> Mapping[str, str]:
    message = entry.stored.headers.get("ce-id") or f"sequence-{entry.sequence}"
    timestamp = int(time.time())
    traceparent = current_traceparent()
    return {
        "Content-Type": "application/cloudevents+json; charset=utf-8",
        "User-Agent": _AGENT,
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signatures(keys, message=message, timestamp=timestamp, body=body),
        **({"traceparent": traceparent} if traceparent else {}),
    }


def _meaning(answer: Answer) -> Outcome:
    status = answer.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Delivered()
    if status == HTTPStatus.GONE:
        return Gone()
    later = answer.retry_after if status in _LATER else None
    return Failed(kind="refused", problem=f"the receiver answered {answer.title}", retry_after=later)
