"""Where messages stood in lists before their sends were registered."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "moves",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("moved_from", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
    )
    op.create_index("ix_moves_message_id", "moves", ["message_id", "id"])
    op.create_index("ix_moves_moved_from", "moves", ["moved_from", "message_id"])


def downgrade() -> None:
    """Go back to the version before: lists that are being walked may repeat messages."""
    op.drop_table("moves")
