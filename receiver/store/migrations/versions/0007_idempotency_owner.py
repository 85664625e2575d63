"""Answers to repeated requests belong to a key itself, not to its name, and are bounded in size.

Answers that were kept by the names of keys belong to nobody that can be told, and are dropped.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    _make_anew(
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at", "bytes"])
    op.create_index("ix_idempotency_owner", "idempotency", ["owner", "created_at"])


def downgrade() -> None:
    """Go back to the version before."""
    _make_anew(
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def _make_anew(*rest: sa.Column[Any]) -> None:
    op.drop_table("idempotency")
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        *rest,
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency")),
    )
