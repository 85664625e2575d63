"""A large push is taken in several transactions."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.add_column(
        "checkpoints",
        sa.Column("taken", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
    )


def downgrade() -> None:
    """Go back to the version before, which starts a push over: what it has is a redelivery."""
    op.drop_column("checkpoints", "taken")
