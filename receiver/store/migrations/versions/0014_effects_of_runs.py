"""What a reclassification does to retries and suppressions, so that it can be told and undone."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_BY_RUN = sa.text("run IS NOT NULL")


def upgrade() -> None:
    """Go to this version."""
    op.add_column(
        "reclassifications",
        sa.Column("effects", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column("suppressions", sa.Column("restored_at", sa.BigInteger(), nullable=True))
    op.add_column(
        "suppression_changes",
        sa.Column("source", sa.Text(), server_default=sa.text("'hand'"), nullable=False),
    )
    op.add_column("suppression_changes", sa.Column("run", sa.BigInteger(), nullable=True))
    op.add_column("suppression_changes", sa.Column("word", sa.Text(), nullable=True))
    op.create_index(
        "ix_suppression_changes_run",
        "suppression_changes",
        ["run", "id"],
        sqlite_where=_BY_RUN,
        postgresql_where=_BY_RUN,
    )


def downgrade() -> None:
    """Go back to the version before, whose history holds manual changes only."""
    op.drop_index("ix_suppression_changes_run", "suppression_changes")
    op.execute("DELETE FROM suppression_changes WHERE source <> 'hand'")
    op.execute("DELETE FROM suppressions WHERE source = 'code' AND NOT suppressed")
    for column in ("word", "run", "source"):
        op.drop_column("suppression_changes", column)
    op.drop_column("suppressions", "restored_at")
    op.drop_column("reclassifications", "effects")
