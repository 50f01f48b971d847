"""Answers about webhooks."""

from pydantic import AwareDatetime, Field

from slipway_api.answers.views import Sequence, View


class WebhookDelivery(View):
    """How far the notifier is with a webhook; at most a second old while it is sent to."""

    position: int = Field(description="All that it wants up to this sequence was delivered.")
    delivered_at: AwareDatetime | None = Field(description="Of the last success.")
    failures: int = Field(description="Attempts since the last success that failed by the receiver's fault.")
    hindered: int = Field(
        description="Attempts since the last success that did not get to it, perhaps by our own fault: "
        "they do not count against the receiver."
    )
    failing_since: AwareDatetime | None
    next_attempt_at: AwareDatetime | None
    problem: str | None = Field(description="Why the last attempt failed, or why the first one will.")


class WebhookPending(View):
    """What the log has for a webhook that it has not had."""

    events: int = Field(description="How many events wait, of those that were counted.")
    more: bool = Field(description="There may be more: no more than 1,000 are counted, of 10,000 messages.")
    first_type: str | None = Field(description="Of the event that is sent next; null: none waits.")
    first_sequence: int | None
    first_at: AwareDatetime | None = Field(description="Since when it waits.")


class Webhook(View):
    """A webhook, without its secret."""

    id: str
    group: str | None = Field(description="Whose events it gets; null: those of the whole installation.")
    url: str
    description: str
    types: list[str] = Field(description="Types, or their begin up to a dot; empty: the usual ones.")
    deployment: str | None
    format: str
    state: str = Field(description="`active`, `disabled`, or `failing`: given up after days of failures.")
    reason: str | None = Field(description="Why the notifier gave it up, until it is enabled again.")
    former_secret_until: AwareDatetime | None = Field(description="Until then both secrets sign.")
    created_at: AwareDatetime
    created_by: str
    changed_at: AwareDatetime
    changed_by: str
    delivery: WebhookDelivery | None = Field(description="null: the notifier has not seen it yet.")
    pending: WebhookPending | None = Field(
        default=None, description="What it has not had; null: not counted, as in a list."
    )
    notice: str | None = Field(
        default=None, description="What keeps events from being sent to it, and what helps."
    )


class NewWebhook(Webhook):
    """A webhook with its new secret, which is shown here and never again."""

    secret: str = Field(description="`whsec_…`: verifies the signatures, as Standard Webhooks says.")
    sequence: Sequence


class WebhookPing(View):
    """What came of a test."""

    delivered: bool = Field(description="Whether the receiver answered 2xx.")
    status: int | None = Field(description="Of its answer; null: there was none.")
    seconds: float = Field(description="From resolving the name to the head of the answer.")
    problem: str | None = Field(description="Why it was not delivered.")
    notice: str | None = Field(default=None, description="What becomes of the events that wait.")
    sequence: Sequence
