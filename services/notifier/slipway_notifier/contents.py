"""What a message of the log is to a receiver: the events that are posted, in the webhook's format."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from slipway_chassis.feed import Entry
from slipway_contracts.cdevents import MEANINGFUL
from slipway_contracts.webhook_events import WebhookPinged

Format = Literal["cloudevents", "cdevents"]
_PINGED: Final = WebhookPinged.model_fields["type"].default


@dataclass(frozen=True)
class Content:
    """A structured CloudEvent.

    Attributes:
        id: of the event, the same whenever it is made from the same message.
        body: its JSON.
    """

    id: str
    body: bytes


def contents_of(entry: Entry, format_: Format) -> Sequence[Content]:
    """Return the events of a message, in order; none: it means nothing in this format."""
    if format_ == "cloudevents":
        identifier = entry.stored.headers.get("ce-id") or f"sequence-{entry.sequence}"
        return (Content(identifier, entry.cloud_event),)
    if entry.type not in MEANINGFUL and entry.type != _PINGED:
        return ()
    return [Content(event["id"], json.dumps(event).encode()) for event in entry.cdevents]
