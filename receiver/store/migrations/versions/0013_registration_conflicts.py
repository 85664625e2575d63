"""Sends may hold conflicts of registrations, which versions before cannot read."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_messages = sa.table("messages", sa.column("id", sa.BigInteger), sa.column("send", sa.Text))


def upgrade() -> None:
    """Go to this version: no send has a conflict yet."""


def downgrade() -> None:
    """Go back to the version before: conflicts are dropped, what stands stays."""
    connection = op.get_bind()
    holding = sa.select(_messages).where(_messages.c.send.like('%"conflicts"%'))
    for row_id, text in connection.execute(holding).all():
        send = json.loads(text)
        send.pop("conflicts", None)
        send.pop("conflicts_omitted", None)
        this = _messages.c.id == row_id
        connection.execute(sa.update(_messages).where(this).values(send=json.dumps(send)))
