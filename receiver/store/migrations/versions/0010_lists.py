"""An index of messages by application, so that the list of one without any is answered at once."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_index(
        "ix_messages_application", "messages", ["application", "occurred_at", "id"], unique=False
    )


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_index("ix_messages_application", "messages")
