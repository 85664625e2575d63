"""Suppression by codes and by hand, with what was changed by hand."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.add_column("suppressions", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("suppressions", sa.Column("until", sa.BigInteger(), nullable=True))
    op.add_column(
        "suppressions",
        sa.Column("overrides", sa.Boolean(), server_default=sa.text("false"), nullable=False),
    )
    op.drop_index("uq_suppressions_key", "suppressions")
    op.create_index(
        "uq_suppressions_word",
        "suppressions",
        ["number", "channel", "application", "source"],
        unique=True,
    )
    suppressed = sa.text("suppressed")
    op.create_index(
        "ix_suppressions_source_until",
        "suppressions",
        ["source", "until"],
        sqlite_where=suppressed,
        postgresql_where=suppressed,
    )
    op.create_table(
        "suppression_changes",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("suppressed", sa.Boolean(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.Column("overrides", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression_changes")),
    )
    op.create_index(
        "uq_suppression_changes_key",
        "suppression_changes",
        ["number", "at", "channel", "application"],
        unique=True,
    )


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("suppression_changes")
    op.execute("DELETE FROM suppressions WHERE source <> 'uplink'")
    op.drop_index("ix_suppressions_source_until", "suppressions")
    op.drop_index("uq_suppressions_word", "suppressions")
    op.create_index(
        "uq_suppressions_key", "suppressions", ["number", "channel", "application"], unique=True
    )
    op.drop_column("suppressions", "overrides")
    op.drop_column("suppressions", "until")
    op.drop_column("suppressions", "reason")
