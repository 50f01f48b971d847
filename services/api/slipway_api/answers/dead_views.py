"""Messages that services gave up, as the client sees them."""

from pydantic import AwareDatetime, Field, JsonValue
from slipway_store.dead_reads import DeadState

from slipway_api.answers.views import View


class DeadMessage(View):
    """A message that a service gave up; it stays in the log."""

    sequence: int = Field(description="Its position in the log, by which it is retried and discarded.")
    group: str
    deployment: str
    service: str = Field(description="That gave it up: read its log at that time.")
    message_id: str = Field(description="Of a command: also the id of its operation, which FAILED.")
    message_type: str = Field(examples=["command.deploy.v1"])
    deliveries: int
    error: str
    at: AwareDatetime = Field(description="When it was given up.")
    state: DeadState
    operation: str | None = Field(default=None, description="Of the command that took its place.")
    settled_by: str | None = Field(default=None, description="User who retried or discarded it.")
    settled_at: AwareDatetime | None = None


class DeadMessageDetail(DeadMessage):
    """A message that a service gave up, as it lies in the log."""

    subject: str
    headers: dict[str, str] = Field(description="The envelope; without where its request came from.")
    body: JsonValue = Field(description="A string where it is no JSON.")
    problem: str | None = Field(description="Why it cannot be read; null: it can.")
    retriable: bool
    instead: str | None = Field(description="What to do where it cannot be retried.")
