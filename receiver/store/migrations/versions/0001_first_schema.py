"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "checkpoints",
        sa.Column("journal", sa.String(length=36), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("journal", name=op.f("pk_checkpoints")),
    )
    op.create_table(
        "messages",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("sms_msg_id", sa.Text(), nullable=False),
        sa.Column("send", sa.Text(), nullable=True),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("conflict", sa.Boolean(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("org_code", sa.Text(), nullable=True),
        sa.Column("source", sa.SmallInteger(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("to_text", sa.Text(), nullable=True),
        sa.Column("to_number", sa.Text(), nullable=True),
        sa.Column("from_number", sa.Text(), nullable=True),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("extend", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("template_id", sa.Text(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.Column("first_report_at", sa.BigInteger(), nullable=True),
        sa.Column("last_report_at", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("failed_at", sa.BigInteger(), nullable=True),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
    )
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.create_index(
            "ix_messages_category",
            ["category", "id"],
            unique=False,
            sqlite_where=sa.text("state <> 'delivered'"),
            postgresql_where=sa.text("state <> 'delivered'"),
        )
        batch_op.create_index(
            "ix_messages_code",
            ["code", "id"],
            unique=False,
            sqlite_where=sa.text("state <> 'delivered'"),
            postgresql_where=sa.text("state <> 'delivered'"),
        )
        batch_op.create_index(
            "ix_messages_extend",
            ["extend", "id"],
            unique=False,
            sqlite_where=sa.text("extend IS NOT NULL"),
            postgresql_where=sa.text("extend IS NOT NULL"),
        )
        batch_op.create_index("ix_messages_occurred_at", ["occurred_at"], unique=False)
        batch_op.create_index(
            "ix_messages_orphans",
            ["id"],
            unique=False,
            sqlite_where=sa.text("NOT registered"),
            postgresql_where=sa.text("NOT registered"),
        )
        batch_op.create_index(
            "ix_messages_reference",
            ["reference", "id"],
            unique=False,
            sqlite_where=sa.text("reference IS NOT NULL"),
            postgresql_where=sa.text("reference IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_messages_state",
            ["state", "id"],
            unique=False,
            sqlite_where=sa.text("state <> 'delivered'"),
            postgresql_where=sa.text("state <> 'delivered'"),
        )
        batch_op.create_index("ix_messages_to_number", ["to_number", "id"], unique=False)
        batch_op.create_index(
            "uq_messages_sms_msg_id_application", ["sms_msg_id", "application"], unique=True
        )

    op.create_table(
        "quarantine",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("peer", sa.Text(), nullable=False),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
    )
    op.create_table(
        "uplinks",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("sms_msg_id", sa.Text(), nullable=False),
        sa.Column("from_text", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=True),
        sa.Column("to_number", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("original_body", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=True),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("last_received_at", sa.BigInteger(), nullable=False),
        sa.Column("redeliveries", sa.Integer(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uplinks")),
    )
    with op.batch_alter_table("uplinks", schema=None) as batch_op:
        batch_op.create_index("ix_uplinks_from_number", ["from_number", "id"], unique=False)
        batch_op.create_index("ix_uplinks_to_number", ["to_number", "id"], unique=False)
        batch_op.create_index(
            "uq_uplinks_sms_msg_id_application", ["sms_msg_id", "application"], unique=True
        )

    op.create_table(
        "reports",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("message_id", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.SmallInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("update_time", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.SmallInteger(), nullable=True),
        sa.Column("source", sa.SmallInteger(), nullable=True),
        sa.Column("status_desc", sa.Text(), nullable=True),
        sa.Column("org_code", sa.Text(), nullable=True),
        sa.Column("extend", sa.Text(), nullable=True),
        sa.Column("to_text", sa.Text(), nullable=True),
        sa.Column("trust", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("last_received_at", sa.BigInteger(), nullable=False),
        sa.Column("redeliveries", sa.Integer(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message_id"], ["messages.id"], name=op.f("fk_reports_message_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
    )
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.create_index(
            "uq_reports_key", ["message_id", "sequence", "status", "update_time"], unique=True
        )


def downgrade() -> None:
    """Go back to the version before."""
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.drop_index("uq_reports_key")

    op.drop_table("reports")
    with op.batch_alter_table("uplinks", schema=None) as batch_op:
        batch_op.drop_index("uq_uplinks_sms_msg_id_application")
        batch_op.drop_index("ix_uplinks_to_number")
        batch_op.drop_index("ix_uplinks_from_number")

    op.drop_table("uplinks")
    op.drop_table("quarantine")
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index("uq_messages_sms_msg_id_application")
        batch_op.drop_index("ix_messages_to_number")
        batch_op.drop_index(
            "ix_messages_state",
            sqlite_where=sa.text("state <> 'delivered'"),
            postgresql_where=sa.text("state <> 'delivered'"),
        )
        batch_op.drop_index(
            "ix_messages_reference",
            sqlite_where=sa.text("reference IS NOT NULL"),
            postgresql_where=sa.text("reference IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_messages_orphans",
            sqlite_where=sa.text("NOT registered"),
            postgresql_where=sa.text("NOT registered"),
        )
        batch_op.drop_index("ix_messages_occurred_at")
        batch_op.drop_index(
            "ix_messages_extend",
            sqlite_where=sa.text("extend IS NOT NULL"),
            postgresql_where=sa.text("extend IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_messages_code",
            sqlite_where=sa.text("state <> 'delivered'"),
            postgresql_where=sa.text("state <> 'delivered'"),
        )
        batch_op.drop_index(
            "ix_messages_category",
            sqlite_where=sa.text("state <> 'delivered'"),
            postgresql_where=sa.text("state <> 'delivered'"),
        )

    op.drop_table("messages")
    op.drop_table("checkpoints")
