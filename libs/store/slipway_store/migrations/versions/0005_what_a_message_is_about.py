"""What a message is about, where its subject in the log does not say it.

Revises: 0004. Rows of before say nothing of it until they are made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("event", sa.Column("about", sa.String(), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("event", "about")
