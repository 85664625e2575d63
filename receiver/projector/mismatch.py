"""Mismatches between a journal and a store: their meaning, and what to do."""

from receiver.domain import times


def mismatch(
    *,
    known: int | None,
    others: int,
    oldest: int | None,
    oldest_at: int | None,
    newest: int,
    is_shared: bool,
    was_mended: bool,
) -> str:
    """Return what is wrong between a journal and its store; "" when they fit together.

    Args:
        known: position up to which the store has this journal; None: it never saw it.
        others: other journals that the store has seen.
        oldest: the journal's first position; None when it is empty.
        oldest_at: when that row arrived, microseconds.
        newest: the journal's last position.
        is_shared: several receivers may share the store, each with a journal of its own.
        was_mended: the journal was found damaged and rewritten, perhaps without its identity.
    """
    if known is None and others and not is_shared:
        if oldest is None:
            return (
                "The journal is new and empty, but the store was filled from another "
                "journal: the journal file was lost, or the store belongs to another "
                "data directory. Acknowledged pushes that the store has not processed "
                "are lost. If you still have the old journal.sqlite3, stop the "
                "receiver, restore the file together with its -wal file, and start "
                "again."
            )
        if was_mended:
            return (
                "The journal was damaged and has a new identity, so it is read from its "
                "start. Entries that the store already has count as redeliveries."
            )
        return (
            "The store was filled from a different journal: one of the two files is "
            "from another data directory or from a backup. This journal is read from "
            "its start. Entries that the store already has count as redeliveries."
        )
    if known is not None and known > newest:
        return (
            f"The journal ends at position {newest}, but the store has processed "
            f"{known}: the journal is older than the store (a restored backup), or its "
            "newest rows were lost. It is read from its start. Entries that the store "
            "already has count as redeliveries."
        )
    behind = known or 0
    if oldest is not None and oldest > behind + 1:
        moment = times.to_rfc3339(min(max(oldest_at or 0, 0), times.LAST))
        what = (
            "is empty"
            if known is None
            else f"has processed the journal only up to position {known}"
        )
        return (
            f"The store {what}, and the journal begins at position {oldest} (arrived "
            f"{moment}): earlier entries are in neither. The store is rebuilt from that "
            "position. Restore a newer backup of the store to recover the rest."
        )
    return ""
