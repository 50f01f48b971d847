"""Messages of the log as structured CloudEvents, as the event stream tells them."""

from typing import Any

from pydantic import AwareDatetime, Field, JsonValue
from pydantic_core import from_json
from slipway_contracts.codec import MESSAGE_TYPES
from slipway_contracts.envelope import TYPE_PREFIX
from slipway_store.rows import EventRow

from slipway_api.answers.views import View


def _optional() -> Any:  # noqa: ANN401 - the default of a field of any type
    return Field(default=None, exclude_if=lambda value: value is None)


class CloudEvent(View):
    """A message of the log as a structured CloudEvent."""

    specversion: str = "1.0"
    id: str
    type: str = Field(examples=["dev.slipway.release.live.v1"])
    source: str
    subject: str | None = _optional()
    time: AwareDatetime
    datacontenttype: str = "application/json"
    sequence: str = Field(description="Position in the log; the `id:` of the event stream.")
    causationid: str | None = _optional()
    correlationid: str | None = _optional()
    traceparent: str | None = _optional()
    data: JsonValue = Field(description="The body; a string where that is no JSON.")


def cloud_event(row: EventRow) -> CloudEvent:
    """Return what the event stream tells of a message; what the headers leave out is left out."""
    owner = "/".join(part for part in (row.group, row.deployment) if part)
    about = owner if row.about is None else row.about
    return CloudEvent(
        id=row.id,
        type=TYPE_PREFIX + row.type,
        source=row.source,
        subject=about or None,
        time=row.time,
        sequence=str(row.sequence),
        causationid=row.causation_id or None,
        correlationid=row.correlation_id or None,
        traceparent=row.traceparent or None,
        data=_data(row),
    )


def _data(row: EventRow) -> JsonValue:
    """Return the body as it lies in the log, also where the history has its text: it is not of its type."""
    if not isinstance(row.body, str) or row.type not in MESSAGE_TYPES:
        return row.body
    try:
        body: JsonValue = from_json(row.body, allow_inf_nan=False)
    except ValueError:
        return row.body
    return body
