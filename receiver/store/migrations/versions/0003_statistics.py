"""Statistics, the rhythm of reports, suppressions, and what an uplink asks for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# The statement of this version, whatever later ones will count. All numbers are microseconds.
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_LAST_BOUND = 30 * _DAY
_BOUNDS = sorted(
    {2**power * 1_000_000 for power in range(22)}
    | {2**power * 1_500_000 for power in range(21)}
    | {_LAST_BOUND}
)
_CLASSES = " ".join(
    f"WHEN delivered_at - sent_at < {bound} THEN {number}" for number, bound in enumerate(_BOUNDS)
)
_COUNT_HOURS = f"""
    INSERT INTO statistics (hours, start, application, registered, state, category, code, country,
        template_id, from_number, delivery_class, messages)
    SELECT 1, occurred_at - (occurred_at % {_HOUR} + {_HOUR}) % {_HOUR},
        substr(application, 1, 64), registered, state,
        substr(coalesce(category, ''), 1, 64), substr(coalesce(code, ''), 1, 64),
        substr(coalesce(country, ''), 1, 64), substr(coalesce(template_id, ''), 1, 64),
        substr(coalesce(from_number, ''), 1, 64),
        CASE WHEN sent_at <= delivered_at AND delivered_at <= last_report_at + 600000000
            THEN CASE {_CLASSES} ELSE {len(_BOUNDS)} END ELSE -1 END,
        count(*)
    FROM messages GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""  # noqa: S608 - numbers only
_COUNT_DAYS = f"""
    INSERT INTO statistics (hours, start, application, registered, state, category, code, country,
        template_id, from_number, delivery_class, messages)
    SELECT 24, start - (start % {_DAY} + {_DAY}) % {_DAY}, application, registered, state,
        category, code, country, template_id, from_number, delivery_class, sum(messages)
    FROM statistics WHERE hours = 1 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
"""  # noqa: S608 - numbers only


def upgrade() -> None:
    """Go to this version."""
    op.add_column("uplinks", sa.Column("intent", sa.Text(), nullable=True))
    op.create_table(
        "suppressions",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("suppressed", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
    )
    op.create_index(
        "uq_suppressions_key", "suppressions", ["number", "channel", "application"], unique=True
    )
    op.create_table(
        "rhythms",
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("heard", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("gaps", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("application", name=op.f("pk_rhythms")),
    )
    op.create_table(
        "statistics",
        sa.Column("hours", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("application", sa.Text(), nullable=False),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("template_id", sa.Text(), nullable=False),
        sa.Column("from_number", sa.Text(), nullable=False),
        sa.Column("delivery_class", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("messages", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "hours",
            "start",
            "application",
            "registered",
            "state",
            "category",
            "code",
            "country",
            "template_id",
            "from_number",
            "delivery_class",
            name=op.f("pk_statistics"),
        ),
        sqlite_with_rowid=False,
    )
    empty = sa.text("messages = 0")
    op.create_index(
        "ix_statistics_empty", "statistics", ["start"], sqlite_where=empty, postgresql_where=empty
    )
    op.execute(sa.text(_COUNT_HOURS))
    op.execute(sa.text(_COUNT_DAYS))


def downgrade() -> None:
    """Go back to the version before."""
    op.drop_table("statistics")
    op.drop_table("rhythms")
    op.drop_table("suppressions")
    op.drop_column("uplinks", "intent")
