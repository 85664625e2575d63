"""How far a person's word is trusted: an opt-in takes back only what is trusted no more.

Of a word whose uplink is not stored any more nobody knows. It is taken for one by a token that
cannot be guessed, as nearly all are, so that nobody lifts it who guesses a short one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_WORD = ["number", "channel", "application", "source"]


def upgrade() -> None:
    """Go to this version."""
    op.add_column(
        "suppressions", sa.Column("trust", sa.Text(), server_default=sa.text("''"), nullable=False)
    )
    op.execute(
        "UPDATE suppressions SET trust = coalesce((SELECT CASE max(CASE uplinks.trust "
        "WHEN 'signed' THEN 3 WHEN 'allowlisted' THEN 2 WHEN 'token' THEN 1 ELSE 0 END) "
        "WHEN 3 THEN 'signed' WHEN 2 THEN 'allowlisted' WHEN 1 THEN 'token' WHEN 0 THEN 'open' END "
        "FROM uplinks WHERE uplinks.sms_msg_id = suppressions.source_id "
        "AND uplinks.application = suppressions.application "
        "AND uplinks.from_number = suppressions.number), 'token') WHERE source = 'uplink'"
    )
    op.drop_index("uq_suppressions_word", "suppressions")
    op.create_index("uq_suppressions_word", "suppressions", [*_WORD, "trust"], unique=True)


def downgrade() -> None:
    """Go back to the version before: of several words the last one stays, or the opt-out."""
    op.execute(
        "DELETE FROM suppressions WHERE EXISTS (SELECT 1 FROM suppressions AS other "
        "WHERE other.number = suppressions.number AND other.channel = suppressions.channel "
        "AND other.application = suppressions.application "
        "AND other.source = suppressions.source AND other.id <> suppressions.id "
        "AND (other.suppressed AND NOT suppressions.suppressed "
        "OR other.suppressed = suppressions.suppressed AND other.id > suppressions.id))"
    )
    op.drop_index("uq_suppressions_word", "suppressions")
    op.create_index("uq_suppressions_word", "suppressions", _WORD, unique=True)
    op.drop_column("suppressions", "trust")
