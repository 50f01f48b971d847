"""What a receiver is posted, in its webhook's format: messages of the log, and what of that is missing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from slipway_chassis.feed import Entry, Gap
from slipway_contracts.cdevents import MEANINGFUL, SPEC_VERSION, CDEvent
from slipway_contracts.envelope import TYPE_PREFIX, header_of, now
from slipway_contracts.installation_events import WebhookConfigured
from slipway_contracts.names import derived_id
from slipway_contracts.webhook_events import WebhookPinged

Format = Literal["cloudevents", "cdevents"]
GAP: Final = "gap.v1"
_TRUNCATED: Final = "dev.cdeventsx.slipway-log.truncated.0.1.0"
_PINGED: Final = WebhookPinged.model_fields["type"].default


@dataclass(frozen=True)
class Content:
    """A structured CloudEvent.

    Attributes:
        id: of the event, the same whenever it is made from the same message; fit for a header of HTTP.
        body: its JSON.
    """

    id: str
    body: bytes


def contents_of(entry: Entry, format_: Format) -> Sequence[Content]:
    """Return the events of a message, in order; none: it means nothing in this format."""
    if format_ == "cloudevents":
        return (Content(header_of(entry.id), entry.cloud_event),)
    if entry.type not in MEANINGFUL and entry.type != _PINGED:
        return ()
    return [Content(header_of(event["id"]), json.dumps(event).encode()) for event in entry.cdevents]


def gap_content(webhook: WebhookConfigured, gap: Gap, *, source: str) -> Content:
    """Return the event that tells a webhook of a gap, as an event stream does; its id is always the same."""
    identifier, at = derived_id(webhook.webhook, GAP, gap.last), now().isoformat().replace("+00:00", "Z")
    missing = {"from": gap.first, "to": gap.last, "first_available": gap.last + 1, "reason": gap.reason}
    if webhook.format == "cdevents":
        meant = CDEvent(
            context={
                "specversion": SPEC_VERSION,
                "id": identifier,
                "source": source,
                "type": _TRUNCATED,
                "timestamp": at,
            },
            subject={"id": webhook.webhook, "content": {}},
            custom={"type": TYPE_PREFIX + GAP, "data": missing},
        )
        event = meant.cloud_event(sequence=str(gap.last))
    else:
        event = {
            "specversion": "1.0",
            "id": identifier,
            "source": source,
            "type": TYPE_PREFIX + GAP,
            "subject": webhook.webhook,
            "time": at,
            "sequence": str(gap.last),
            "datacontenttype": "application/json",
            "data": missing,
        }
    return Content(identifier, json.dumps(event).encode())
