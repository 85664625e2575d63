"""The retry queue, its breakers and the answers that are given again."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.add_column("messages", sa.Column("retry_of", sa.Text(), nullable=True))
    retried = sa.text("retry_of IS NOT NULL")
    op.create_index(
        "ix_messages_retry_of",
        "messages",
        ["retry_of"],
        sqlite_where=retried,
        postgresql_where=retried,
    )
    op.create_table(
        "retries",
        sa.Column("message_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("planned_for", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("lease", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("next_id", sa.Text(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_retries_message_id")
        ),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_retries")),
    )
    waiting = sa.text("state IN ('waiting', 'claimed')")
    op.create_index(
        "ix_retries_due",
        "retries",
        ["state", "due_at", "message_id"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    leased = sa.text("state = 'claimed'")
    op.create_index(
        "ix_retries_lease_until",
        "retries",
        ["lease_until"],
        sqlite_where=leased,
        postgresql_where=leased,
    )
    op.create_index("ix_retries_updated_at", "retries", ["updated_at"])
    op.create_table(
        "breakers",
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.Column("pause_s", sa.Integer(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("probe", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("application", "code", "scope", name=op.f("pk_breakers")),
    )
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("idempotency")
    op.drop_table("breakers")
    op.drop_table("retries")
    op.drop_index("ix_messages_retry_of", "messages")
    op.drop_column("messages", "retry_of")
