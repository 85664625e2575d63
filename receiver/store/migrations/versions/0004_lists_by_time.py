"""Indexes of messages by the time they occurred, so that any list of a period is a range."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NOT_DELIVERED = "state <> 'delivered'"
_INDEXES: tuple[tuple[str, list[str], str | None], ...] = (
    ("ix_messages_to_number", ["to_number"], None),
    ("ix_messages_occurred_at", [], None),
    ("ix_messages_state", ["state"], _NOT_DELIVERED),
    ("ix_messages_code", ["code"], _NOT_DELIVERED),
    ("ix_messages_category", ["category"], _NOT_DELIVERED),
    ("ix_messages_extend", ["extend"], "extend IS NOT NULL"),
    ("ix_messages_reference", ["reference"], "reference IS NOT NULL"),
    ("ix_messages_orphans", [], "NOT registered"),
)


def upgrade() -> None:
    """Go to this version."""
    for name, columns, where in _INDEXES:
        _make_anew(name, [*columns, "occurred_at", "id"], where)


def downgrade() -> None:
    """Go back to the version before."""
    for name, columns, where in _INDEXES:
        before = ["occurred_at"] if name == "ix_messages_occurred_at" else [*columns, "id"]
        _make_anew(name, before, where)


def _make_anew(name: str, columns: list[str], where: str | None) -> None:
    only: dict[str, Any] = {}
    if where is not None:
        only = {"sqlite_where": sa.text(where), "postgresql_where": sa.text(where)}
    op.drop_index(name, "messages")
    op.create_index(name, "messages", columns, **only)
