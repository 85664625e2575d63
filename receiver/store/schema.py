"""The tables. All times are microseconds since the epoch, UTC; JSON stands in text columns.

All stand in one module: they are one schema, in which keys lead from table to table.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

from receiver.domain.catalogue.entries import Category
from receiver.domain.inputs import Trust
from receiver.domain.messages.state import State
from receiver.domain.retries.breaker import Position
from receiver.domain.retries.items import ItemState
from receiver.domain.suppressions.opt_outs import Intent
from receiver.domain.suppressions.suppression import Source
from receiver.store.database.columns import (
    StoredFlag,
    StoredInstant,
    StoredInteger,
    StoredSmall,
    StoredTerm,
    StoredText,
    name_columns,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only where the type is spelt INTEGER.
_RowId = BigInteger().with_variant(Integer, "sqlite")
_Instant = StoredInstant

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("journal", String(36), primary_key=True),  # the journal's identity
    Column("position", BigInteger, nullable=False),
    Column("updated_at", _Instant, nullable=False),
    # How many events of the next row are taken too: a large push is taken in several transactions.
    Column("taken", BigInteger, nullable=False, server_default=text("0")),
)

messages = Table(
    "messages",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=False),  # in order of first hearing
    Column("application", StoredText, nullable=False),
    Column("sms_msg_id", StoredText, nullable=False),
    Column("send", StoredText),  # JSON of domain.events.Send; NULL: an orphan
    Column("registered", StoredFlag, nullable=False),
    Column("registered_at", _Instant),
    Column("state", StoredTerm(State), nullable=False),
    Column("final", StoredFlag, nullable=False),
    Column("conflict", StoredFlag, nullable=False),
    Column("code", StoredText),
    Column("org_code", StoredText),
    Column("source", StoredSmall),
    Column("category", StoredTerm(Category)),
    Column("to_text", StoredText),  # as the application or the platform wrote it
    Column("to_number", StoredText),  # E.164 where it is a number
    Column("from_number", StoredText),
    Column("country", StoredText),
    Column("extend", StoredText),
    Column("reference", StoredText),
    Column("template_id", StoredText),
    Column("total", StoredInteger, nullable=False),
    Column("sent_at", _Instant),
    Column("occurred_at", _Instant, nullable=False),  # sent, else first reported
    Column("first_report_at", _Instant),
    Column("last_report_at", _Instant),
    Column("delivered_at", _Instant),
    Column("failed_at", _Instant),
    Column("trust", StoredTerm(Trust), nullable=False),
    Column("retry_of", StoredText),  # smsMsgId of the attempt before, of the same application
)
Index("uq_messages_sms_msg_id_application", messages.c.sms_msg_id, messages.c.application,
      unique=True)  # fmt: skip

# Lists are in the order of this, whatever else they ask for: each index ends with it, so that a
# page of any period is a range.
_TIME = (messages.c.occurred_at, messages.c.id)
Index("ix_messages_to_number", messages.c.to_number, *_TIME)
Index("ix_messages_occurred_at", *_TIME)
Index("ix_messages_application", messages.c.application, *_TIME)

# Most messages are delivered, and those are found by walking the newest; only the others need an
# index by what happened to them. Queries repeat the condition so that the planner may use these.
NOT_DELIVERED = text("state <> 'delivered'")
ORPHANED = text("NOT registered")
_REFERENCED = text("reference IS NOT NULL")
_EXTENDED = text("extend IS NOT NULL")
for _name, _column, _where in (
    ("ix_messages_state", messages.c.state, NOT_DELIVERED),
    ("ix_messages_code", messages.c.code, NOT_DELIVERED),
    ("ix_messages_category", messages.c.category, NOT_DELIVERED),
    ("ix_messages_extend", messages.c.extend, _EXTENDED),
    ("ix_messages_reference", messages.c.reference, _REFERENCED),
):
    Index(_name, _column, *_TIME, sqlite_where=_where, postgresql_where=_where)
_RETRIED = text("retry_of IS NOT NULL")
Index("ix_messages_retry_of", messages.c.retry_of, sqlite_where=_RETRIED,
      postgresql_where=_RETRIED)  # fmt: skip
Index("ix_messages_orphans", *_TIME, sqlite_where=ORPHANED, postgresql_where=ORPHANED)

# Where messages stood in lists before their place changed, which it does when a send is registered
# after its report came: a list that is being walked goes on by these.
moves = Table(
    "moves",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("message_id", BigInteger, nullable=False),
    Column("moved_from", _Instant, nullable=False),  # its `occurred_at` until then
)
Index("ix_moves_message_id", moves.c.message_id, moves.c.id)
Index("ix_moves_moved_from", moves.c.moved_from, moves.c.message_id)

reports = Table(
    "reports",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("message_id", BigInteger, ForeignKey("messages.id"), nullable=False),
    Column("sequence", StoredSmall, nullable=False),
    Column("status", StoredText, nullable=False),
    Column("update_time", StoredText, nullable=False),  # as received; "" when absent
    Column("updated_at", _Instant),
    Column("total", StoredSmall),
    Column("source", StoredSmall),
    Column("status_desc", StoredText),
    Column("org_code", StoredText),
    Column("extend", StoredText),
    Column("to_text", StoredText),
    Column("trust", StoredTerm(Trust), nullable=False),
    Column("received_at", _Instant, nullable=False),
    Column("last_received_at", _Instant, nullable=False),
    Column("redeliveries", StoredInteger, nullable=False),
    Column("raw", StoredText, nullable=False),  # JSON of the item as received
)
Index("uq_reports_key", reports.c.message_id, reports.c.sequence, reports.c.status,
      reports.c.update_time, unique=True)  # fmt: skip

uplinks = Table(
    "uplinks",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("application", StoredText, nullable=False),
    Column("sms_msg_id", StoredText, nullable=False),
    Column("from_text", StoredText, nullable=False),
    Column("from_number", StoredText),
    Column("to_number", StoredText, nullable=False),
    Column("body", StoredText, nullable=False),
    Column("original_body", StoredText),
    Column("created_at", _Instant),
    Column("trust", StoredTerm(Trust), nullable=False),
    Column("received_at", _Instant, nullable=False),
    Column("last_received_at", _Instant, nullable=False),
    Column("redeliveries", StoredInteger, nullable=False),
    Column("raw", StoredText, nullable=False),
    Column("intent", StoredTerm(Intent)),  # NULL: an ordinary answer
    # Of the content, by which a redelivery is told; `erased ID` where the content is erased.
    Column("digest", StoredText, nullable=False, server_default=text("''")),
)
Index("uq_uplinks_key", uplinks.c.sms_msg_id, uplinks.c.application, uplinks.c.digest,
      unique=True)  # fmt: skip
Index("ix_uplinks_from_number", uplinks.c.from_number, uplinks.c.id)
Index("ix_uplinks_to_number", uplinks.c.to_number, uplinks.c.id)

ERASED_DIGEST = "erased "  # before the id of an uplink, in place of its digest

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("application", StoredText, nullable=False),
    Column("kind", StoredText, nullable=False),
    Column("reason", StoredText, nullable=False),
    Column("peer", StoredText, nullable=False),
    Column("trust", StoredTerm(Trust), nullable=False),
    Column("received_at", _Instant, nullable=False),
    Column("headers", StoredText, nullable=False),
    Column("body", LargeBinary, nullable=False),  # as received, cut at the size limit
    Column("size", StoredInteger, nullable=False),  # of the whole body, bytes
)

reclassifications = Table(
    "reclassifications",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("policy", StoredText, nullable=False),  # which catalogue and rules decide
    Column("since", _Instant),  # only messages sent (otherwise first reported) at or after
    Column("position", BigInteger, nullable=False),  # messages.id up to which it has come
    Column("upto", BigInteger, nullable=False),  # messages.id where it ends
    Column("examined", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("changes", StoredText, nullable=False),  # JSON: what became what, how often, examples
    Column("started_at", _Instant, nullable=False),
    Column("updated_at", _Instant, nullable=False),
    Column("finished_at", _Instant),
    Column("rereading", StoredText, nullable=False, server_default=text("'{}'")),  # JSON
    Column("effects", StoredText, nullable=False, server_default=text("'{}'")),  # JSON
)

# Who is not to be sent to: the newest word of each person to each channel.
suppressions = Table(
    "suppressions",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("application", StoredText, nullable=False),
    Column("number", StoredText, nullable=False),  # E.164 where it is a number
    Column("channel", StoredText, nullable=False),  # of an uplink with the extension; "": every one
    Column("suppressed", StoredFlag, nullable=False),  # false: lifted again
    Column("source", StoredTerm(Source), nullable=False),
    Column("source_id", StoredText, nullable=False),  # smsMsgId; if manual, the name of the API key
    Column("decided_at", _Instant, nullable=False),
    Column("reason", StoredText),  # the code; if manual, why it was set or lifted
    Column("until", _Instant),  # NULL: unlimited
    Column(
        "overrides", StoredFlag, nullable=False, server_default=text("false")
    ),  # also an opt-out
    Column(
        "trust", StoredTerm(Trust, may_be_empty=True), nullable=False, server_default=text("''")
    ),  # of an uplink; "": no uplink
    Column("restored_at", _Instant),  # when the undo of a reclassification put it back
)
Index("uq_suppressions_word", suppressions.c.number, suppressions.c.channel,
      suppressions.c.application, suppressions.c.source, suppressions.c.trust,
      unique=True)  # fmt: skip
_SUPPRESSED = text("suppressed")
Index("ix_suppressions_source_until", suppressions.c.source, suppressions.c.until,
      sqlite_where=_SUPPRESSED, postgresql_where=_SUPPRESSED)  # fmt: skip

# Changes made manually or by a reclassification, each with its author: rows are added, and their
# content never changes.
suppression_changes = Table(
    "suppression_changes",
    metadata,
    Column("id", _RowId, primary_key=True, autoincrement=True),
    Column("number", StoredText, nullable=False),
    Column("channel", StoredText, nullable=False),  # "": every one
    Column("application", StoredText, nullable=False),  # "": every one
    Column("at", _Instant, nullable=False),
    Column("suppressed", StoredFlag, nullable=False),  # false: lifted
    Column("by", StoredText, nullable=False),  # name of the API key, or of the command
    Column("reason", StoredText, nullable=False),
    Column("until", _Instant),
    Column("overrides", StoredFlag, nullable=False),
    # A value of domain.suppression.Source: whose word was changed.
    Column("source", StoredTerm(Source), nullable=False, server_default=text("'hand'")),
    Column("run", BigInteger),  # reclassifications.id, as long as it can be undone
    Column("word", StoredText),  # JSON: what the run lifted or made
)
Index("uq_suppression_changes_key", suppression_changes.c.number, suppression_changes.c.at,
      suppression_changes.c.channel, suppression_changes.c.application, unique=True)  # fmt: skip
_BY_RUN = text("run IS NOT NULL")
Index("ix_suppression_changes_run", suppression_changes.c.run, suppression_changes.c.id,
      sqlite_where=_BY_RUN, postgresql_where=_BY_RUN)  # fmt: skip

# How many messages are what, kept up to date with every message that changes. Texts are "" where
# a message has none, and clipped: they are part of the key.
statistics = Table(
    "statistics",
    metadata,
    Column("hours", StoredSmall, primary_key=True, autoincrement=False),  # 1, or 24 for a day
    Column("start", _Instant, primary_key=True, autoincrement=False),  # by `occurred_at`, UTC
    Column("application", StoredText, primary_key=True),
    Column("registered", StoredFlag, primary_key=True),
    Column("state", StoredTerm(State), primary_key=True),
    Column("category", StoredTerm(Category, may_be_empty=True), primary_key=True),
    Column("code", StoredText, primary_key=True),
    Column("country", StoredText, primary_key=True),
    Column("template_id", StoredText, primary_key=True),
    Column("from_number", StoredText, primary_key=True),
    # Which class of domain.durations the delivery time falls in; -1 where there is none.
    Column("delivery_class", StoredSmall, primary_key=True, autoincrement=False),
    Column("messages", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
EMPTY = text("messages = 0")
Index("ix_statistics_empty", statistics.c.start, sqlite_where=EMPTY, postgresql_where=EMPTY)

# How regularly reports come, by which silence is judged.
rhythms = Table(
    "rhythms",
    metadata,
    Column("application", StoredText, primary_key=True),
    Column("heard", BigInteger, nullable=False),  # arrivals that were counted
    Column("last_at", _Instant, nullable=False),  # the newest of them
    Column("gaps", StoredText, nullable=False),  # JSON: the longest gap of each recent day
)

# Failed messages that may be sent again. What the projector plans is planned again when the
# journal is read again; leases and what happened to them are not.
retries = Table(
    "retries",
    metadata,
    Column(
        "message_id", BigInteger, ForeignKey("messages.id"), primary_key=True, autoincrement=False
    ),
    Column("application", StoredText, nullable=False),
    Column("state", StoredTerm(ItemState), nullable=False),
    Column("planned_for", _Instant, nullable=False),  # by the message itself
    Column("due_at", _Instant, nullable=False),  # that, or what it was put off to since
    Column("reason", StoredText),  # why it ended, was put off or was given up
    Column("lease", StoredText),  # digest of what the claimer was given
    Column("lease_until", _Instant),
    Column("claims", StoredInteger, nullable=False),
    Column("next_id", StoredText),  # smsMsgId of the attempt that completed it
    Column("updated_at", _Instant),  # when a claimer last moved it
)
OPEN_RETRIES = text("state IN ('waiting', 'claimed')")
Index("ix_retries_due", retries.c.state, retries.c.due_at, retries.c.message_id,
      sqlite_where=OPEN_RETRIES, postgresql_where=OPEN_RETRIES)  # fmt: skip
_LEASED = text("state = 'claimed'")
Index("ix_retries_lease_until", retries.c.lease_until, sqlite_where=_LEASED,
      postgresql_where=_LEASED)  # fmt: skip
Index("ix_retries_updated_at", retries.c.updated_at)

# Codes whose retries wait because they have become frequent all at once.
breakers = Table(
    "breakers",
    metadata,
    Column("application", StoredText, primary_key=True),
    Column("code", StoredText, primary_key=True),
    Column("scope", StoredText, primary_key=True),  # which channel number or country
    Column("position", StoredTerm(Position), nullable=False),
    Column("pause_s", StoredInteger, nullable=False),
    Column("until", _Instant, nullable=False),
    Column("probe", BigInteger),  # messages.id of the message that went first
)

# Answers to requests that carried an Idempotency-Key, to be given again.
idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", StoredText, primary_key=True),  # digest of the API key and its application
    Column("key", StoredText, primary_key=True),
    Column("request", StoredText, nullable=False),  # digest of route and body
    Column("status", StoredInteger, nullable=False),
    Column("created_at", _Instant, nullable=False),
    Column(
        "bytes", StoredInteger, nullable=False
    ),  # of the answer; before it, to be read without it
    Column("answer", StoredText, nullable=False),  # JSON
)
Index("ix_idempotency_created_at", idempotency.c.created_at, idempotency.c.bytes)
Index("ix_idempotency_owner", idempotency.c.owner, idempotency.c.created_at)

name_columns(metadata)
