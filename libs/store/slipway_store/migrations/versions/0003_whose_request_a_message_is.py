"""Whose request a message is, and indexes for the audit and for messages that were given up.

Revises: 0002. Messages of before name no request, and fold to the same rows.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the indexes."""
    op.add_column("event", sa.Column("origin", postgresql.JSONB(), nullable=True))
    asked = sa.text("origin is not null")
    op.create_index("ix_event_asked", "event", ["sequence"], postgresql_where=asked)
    op.create_index("ix_event_asked_in", "event", ["group", "sequence"], postgresql_where=asked)
    dead = sa.text("type like 'message.%'")
    op.create_index("ix_event_dead", "event", ["sequence"], postgresql_where=dead)


def downgrade() -> None:
    """Drop them."""
    for name in ("ix_event_dead", "ix_event_asked_in", "ix_event_asked"):
        op.drop_index(name, "event")
    op.drop_column("event", "origin")
