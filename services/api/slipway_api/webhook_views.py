"""Answers about webhooks."""

from pydantic import AwareDatetime, Field

from slipway_api.views import Sequence, View


class WebhookDelivery(View):
    """How far the notifier is with a webhook; at most a second old while it is sent to."""

    position: int = Field(description="All that it wants up to this sequence was delivered.")
    delivered_at: AwareDatetime | None = Field(description="Of the last success.")
    failures: int = Field(description="Failed attempts since the last success.")
    failing_since: AwareDatetime | None
    next_attempt_at: AwareDatetime | None
    problem: str | None = Field(description="Why the last attempt failed.")


class Webhook(View):
    """A webhook, without its secret."""

    id: str
    group: str | None = Field(description="Whose events it gets; null: those of the whole installation.")
    url: str
    description: str
    types: list[str] = Field(description="Types, or their begin up to a dot; empty: the usual ones.")
    deployment: str | None
    format: str
    state: str = Field(description="`active`, `disabled`, `gone` (it answered 410) or `failing` (too long).")
    reason: str | None = Field(description="Why the notifier gave it up, until it is enabled again.")
    former_secret_until: AwareDatetime | None = Field(description="Until then both secrets sign.")
    created_at: AwareDatetime
    created_by: str
    changed_at: AwareDatetime
    changed_by: str
    delivery: WebhookDelivery | None = Field(description="null: the notifier has not seen it yet.")


class NewWebhook(Webhook):
    """A webhook with its new secret, which is shown here and never again."""

    secret: str = Field(description="`whsec_…`: verifies the signatures, as Standard Webhooks says.")
    sequence: Sequence
