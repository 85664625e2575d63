"""Uplinks are told apart by their content too, not by their id alone."""

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0007"
branch_labels = None
depends_on = None

_STRETCH_ROWS = 1000
_uplinks = sa.table(
    "uplinks",
    *(sa.column(name, sa.Text()) for name in ("from_text", "to_number", "body", "raw", "digest")),
    sa.column("id", sa.BigInteger()),
)


def upgrade() -> None:
    """Go to this version."""
    op.add_column(
        "uplinks", sa.Column("digest", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    _fill()
    op.drop_index("uq_uplinks_sms_msg_id_application", "uplinks")
    op.create_index(
        "uq_uplinks_key", "uplinks", ["sms_msg_id", "application", "digest"], unique=True
    )


def downgrade() -> None:
    """Go back to the version before: of the texts under one id the first stays."""
    op.execute(
        "DELETE FROM uplinks WHERE id NOT IN "
        "(SELECT min(id) FROM uplinks GROUP BY sms_msg_id, application)"
    )
    op.drop_index("uq_uplinks_key", "uplinks")
    op.create_index(
        "uq_uplinks_sms_msg_id_application", "uplinks", ["sms_msg_id", "application"], unique=True
    )
    op.drop_column("uplinks", "digest")


def _fill() -> None:
    connection = op.get_bind()
    known = _uplinks.c
    query = sa.select(known.id, known.from_text, known.to_number, known.body, known.raw)
    write = (
        sa.update(_uplinks).where(known.id == sa.bindparam("row")).values(digest=sa.bindparam("is"))
    )
    last = 0
    while True:
        stretch = query.where(known.id > last).order_by(known.id).limit(_STRETCH_ROWS)
        rows = connection.execute(stretch).all()
        if not rows:
            return
        connection.execute(write, [{"row": row[0], "is": _digest(*row)} for row in rows])
        last = rows[-1][0]


def _digest(row_id: int, sender: str, to: str, body: str, raw: str) -> str:
    """Return the digest as receivers of this version make it of what they store."""
    if raw == "{}":  # erased
        return f"erased {row_id}"
    create_time = json.loads(raw).get("createTime") or ""
    content = json.dumps([sender, to, body, create_time], separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()
