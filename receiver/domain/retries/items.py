"""The states of an item in the retry queue."""

from enum import StrEnum


class ItemState(StrEnum):
    """The state of an item in the retry queue."""

    WAITING = "waiting"
    CLAIMED = "claimed"  # somebody is sending it
    COMPLETED = "completed"  # it was sent again
    ABANDONED = "abandoned"  # the claimer gave it up
    CANCELLED = "cancelled"  # it was settled while somebody had claimed it
    ENDED = "ended"  # it was due and may not be sent any more


OPEN_ITEMS = frozenset({ItemState.WAITING, ItemState.CLAIMED})
