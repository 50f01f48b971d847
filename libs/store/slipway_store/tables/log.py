"""The tables of the log itself: its messages as they came, and how far the projection has read them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, UniqueConstraint, text

from slipway_store.tables import columns


class EventTable(columns.Base, table=True):
    """Every message of the log, as it came; `group` and `deployment` are null where the subject has none."""

    __tablename__ = "event"
    __table_args__ = (
        Index(None, "group", "deployment", "sequence"),
        UniqueConstraint("id"),
        Index("ix_event_asked", "sequence", postgresql_where=text("origin is not null")),
        Index("ix_event_asked_in", "group", "sequence", postgresql_where=text("origin is not null")),
        Index("ix_event_asked_at", "time", "sequence", postgresql_where=text("origin is not null")),
        Index(
            "ix_event_asked_in_at", "group", "time", "sequence", postgresql_where=text("origin is not null")
        ),
        Index("ix_event_dead", "sequence", postgresql_where=text("type like 'message.%'")),
    )

    sequence: int = columns.number_key()
    id: str
    type: str
    subject: str
    about: str | None
    group: str | None
    deployment: str | None
    source: str
    time: datetime = columns.time()
    causation_id: str | None
    correlation_id: str | None
    traceparent: str | None
    origin: Any = columns.json(nullable=True)
    body: Any = columns.json()


class CheckpointTable(columns.Base, table=True):
    """One row: the last message that these tables hold, and the fold that made them."""

    __tablename__ = "checkpoint"

    stream: str = columns.key()
    projection: int = columns.number()
    sequence: int = columns.number()
    event_id: str
    at: datetime | None = columns.time()
