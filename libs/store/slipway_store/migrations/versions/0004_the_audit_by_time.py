"""Indexes for the audit of a time.

Revises: 0003. Rows stay as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the indexes."""
    asked = sa.text("origin is not null")
    op.create_index("ix_event_asked_at", "event", ["time", "sequence"], postgresql_where=asked)
    op.create_index("ix_event_asked_in_at", "event", ["group", "time", "sequence"], postgresql_where=asked)


def downgrade() -> None:
    """Drop them."""
    for name in ("ix_event_asked_in_at", "ix_event_asked_at"):
        op.drop_index(name, "event")
