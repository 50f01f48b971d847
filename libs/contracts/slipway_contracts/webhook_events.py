"""What happens to a webhook beside its configuration: its receiver wants no more, or somebody tests it."""

from typing import Literal

from pydantic import Field

from slipway_contracts.message import Message
from slipway_contracts.names import GroupName, OperationId


class WebhookRemoved(Message):
    """The receiver answered 410 Gone, and its webhook is no more; emitted by the notifier."""

    type: Literal["webhook.removed.v1"] = "webhook.removed.v1"
    group: GroupName | None
    webhook: OperationId
    revision: int = Field(description="Sequence of the configuration that was in force; a later prevails.")
    reason: Literal["gone"] = "gone"
    message: str = ""
    position: int = Field(ge=0, description="Everything up to this sequence was delivered.")


class WebhookPinged(Message):
    """This very message shall be sent to the webhook at once, as a test; emitted by the api."""

    type: Literal["webhook.pinged.v1"] = "webhook.pinged.v1"
    group: GroupName | None
    webhook: OperationId
    by: str


class WebhookAnswered(Message):
    """A webhook took the message that it was pinged with, or did not; emitted by the notifier."""

    type: Literal["webhook.answered.v1"] = "webhook.answered.v1"
    group: GroupName | None
    webhook: OperationId
    ping: int = Field(ge=1, description="Sequence of the message that was sent.")
    delivered: bool = Field(description="Whether the receiver answered 2xx.")
    status: int | None = Field(default=None, description="Of its answer; None: there was none.")
    seconds: float = Field(ge=0, description="From resolving the name to the head of the answer.")
    problem: str | None = Field(
        default=None, description="Why it was not delivered; never the receiver's host or URL."
    )
