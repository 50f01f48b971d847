"""Webhooks as the log has them, and what the notifier says of each, as values of the bucket `webhooks`.

Pure: the api and the notifier fold the same messages, and so agree on who gets what, and from where on.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from slipway_contracts.installation_events import WebhookConfigured, WebhookDisabled
from slipway_contracts.webhook_events import WebhookRemoved

WebhookFact = WebhookConfigured | WebhookDisabled | WebhookRemoved
"""What a register is made of."""


@dataclass(frozen=True, kw_only=True)
class WebhookKnown:
    """A webhook.

    Attributes:
        revision: sequence of the configuration in force.
        begun: sequence of the configuration that said where delivery begins.
        start: delivery begins behind this sequence.
        ended: why the notifier gave it up, until it is configured again.
    """

    configured: WebhookConfigured
    revision: int
    begun: int
    start: int
    created_at: datetime
    created_by: str
    changed_at: datetime
    ended: WebhookDisabled | None = None

    @property
    def id(self) -> str:
        """Its id."""
        return self.configured.webhook

    @property
    def active(self) -> bool:
        """Whether anything is sent to it."""
        return not self.configured.disabled and not self.configured.removed and self.ended is None


@dataclass(frozen=True, kw_only=True)
class WebhookGone:
    """A webhook that its receiver wants no more."""

    configured: WebhookConfigured
    removed: WebhookRemoved


class WebhookRegister:
    """The webhooks of all groups and of the installation; takes messages in log order."""

    def __init__(self) -> None:
        self._known: dict[str, WebhookKnown] = {}
        self._gone: dict[str, WebhookGone] = {}

    def take(self, event: WebhookFact, *, sequence: int, at: datetime) -> None:
        """Take a message of the log; what was said of an earlier configuration changes nothing."""
        known = self._known.get(event.webhook)
        match event:
            case WebhookConfigured(removed=True):
                self._known.pop(event.webhook, None)
            case WebhookConfigured():
                self._known[event.webhook] = _configured(known, event, sequence, at)
            case WebhookDisabled() if known is not None and event.revision == known.revision:
                self._known[event.webhook] = replace(known, ended=event)
            case WebhookRemoved() if known is not None and event.revision == known.revision:
                self._gone[event.webhook] = WebhookGone(configured=known.configured, removed=event)
                del self._known[event.webhook]
            case _:
                pass

    def find(self, group: str | None, webhook: str) -> WebhookKnown | None:
        """Return a webhook of a group, or of the installation, unless it was removed."""
        known = self._known.get(webhook)
        return known if known is not None and known.configured.group == group else None

    def gone(self, group: str | None, webhook: str) -> WebhookGone | None:
        """Return a webhook of a group, or of the installation, that the notifier removed, if it did."""
        gone = self._gone.get(webhook)
        return gone if gone is not None and gone.configured.group == group else None

    def get(self, webhook: str) -> WebhookKnown | None:
        """Return a webhook, whoever has it, unless it was removed."""
        return self._known.get(webhook)

    def of(self, group: str | None) -> Sequence[WebhookKnown]:
        """Return the webhooks of a group, or of the installation, in the order of their creation."""
        return [known for known in self._known.values() if known.configured.group == group]

    def all(self) -> Sequence[WebhookKnown]:
        """Return all webhooks."""
        return list(self._known.values())


def _configured(
    known: WebhookKnown | None, event: WebhookConfigured, sequence: int, at: datetime
) -> WebhookKnown:
    begun, start = (sequence, sequence) if known is None else (known.begun, known.start)
    if event.after is not None:
        begun, start = sequence, event.after
    return WebhookKnown(
        configured=event,
        revision=sequence,
        begun=begun,
        start=start,
        created_at=known.created_at if known else at,
        created_by=known.created_by if known else event.by,
        changed_at=at,
    )


class WebhookProgress(BaseModel):
    """How far the notifier is with a webhook; rewritten a few times a second at most.

    A crash of the notifier repeats what was delivered after the last write, and nothing else.
    """

    model_config = ConfigDict(frozen=True)

    begun: int = Field(description="As in the register: the position counts from that configuration on.")
    revision: int = Field(description="The configuration under which it was tried.")
    position: int = Field(ge=0, description="All that it wants up to this sequence was delivered.")
    delivered_at: AwareDatetime | None = Field(default=None, description="Of the last success.")
    failures: int = Field(
        default=0, ge=0, description="Attempts since the last success that failed by the receiver's fault."
    )
    hindered: int = Field(
        default=0, ge=0, description="Attempts since the last success that may have failed by our own fault."
    )
    failing_since: AwareDatetime | None = Field(default=None, description="Of the first of the failures.")
    failed_at: AwareDatetime | None = Field(
        default=None, description="Of the last attempt, if that failed by the receiver's fault."
    )
    failed_seconds: float = Field(
        default=0.0, ge=0, description="How long it failed: from attempt to attempt, without our absences."
    )
    next_attempt_at: AwareDatetime | None = None
    problem: str | None = Field(
        default=None, description="Why the last attempt failed, or why the first one will."
    )
    forbidden: bool | None = Field(
        default=None, description="Whether nothing may be sent to its address; None: nobody has looked yet."
    )
    epoch: int = Field(default=0, ge=0, description="Of the notifier's lease under which it was written.")
