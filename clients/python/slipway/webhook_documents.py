"""What the API answers about webhooks, as far as this package reads it."""

from datetime import datetime

from slipway.documents import Document


class WebhookDelivery(Document):
    """How far a webhook is."""

    position: int
    delivered_at: datetime | None = None
    failures: int = 0
    hindered: int = 0
    failing_since: datetime | None = None
    next_attempt_at: datetime | None = None
    problem: str | None = None


class WebhookPending(Document):
    """What the log has for a webhook that it has not had."""

    events: int
    more: bool = False
    first_type: str | None = None
    first_sequence: int | None = None
    first_at: datetime | None = None


class Webhook(Document):
    """A webhook, without its secret."""

    id: str
    group: str | None = None
    url: str
    description: str = ""
    types: tuple[str, ...] = ()
    deployment: str | None = None
    format: str = "cloudevents"
    state: str
    reason: str | None = None
    delivery: WebhookDelivery | None = None
    pending: WebhookPending | None = None
    notice: str | None = None


class NewWebhook(Webhook):
    """A webhook with its new secret."""

    secret: str


class WebhookPing(Document):
    """What came of a test."""

    delivered: bool
    status: int | None = None
    seconds: float
    problem: str | None = None
    notice: str | None = None
