"""How far stored items have been read again."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.add_column(
        "reclassifications",
        sa.Column("rereading", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
    )


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_column("reclassifications", "rereading")
