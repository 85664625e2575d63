"""The effects of a reclassification on retries and on suppressions by codes, counted.

All who show it (API, command line, dry run) show these counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from receiver.domain.retries.items import OPEN_ITEMS, ItemState

MOST_EXAMPLES = 3  # ids for each line


class RetryEffect(StrEnum):
    """What becomes of an item of the retry queue."""

    WITHDRAWN = "withdrawn"
    QUEUED = "queued"
    REPLANNED = "replanned"  # it is due at another time


class SuppressionEffect(StrEnum):
    """What becomes of a suppression by a code."""

    LIFTED = "lifted"
    MADE = "made"


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """An item of the retry queue, as far as a plan decides on it."""

    state: ItemState
    planned_for: int  # microseconds


@dataclass(frozen=True, slots=True)
class RetryMove:
    """What happened to the item of one message."""

    effect: RetryEffect
    reason: str  # the category of the message now, else its state
    sms_msg_id: str


@dataclass(frozen=True, slots=True)
class RetryLine:
    """How many items had the same effect for the same reason."""

    effect: RetryEffect
    reason: str
    messages: int
    examples: tuple[str, ...]  # ids of the first ones


@dataclass(frozen=True, slots=True)
class Review:
    """Why suppressions by one code were lifted or made."""

    effect: SuppressionEffect
    code: str | None  # of the report that suppressed
    category: str | None  # of the message now
    reason: str


@dataclass(frozen=True, slots=True)
class SuppressionLine:
    """How many suppressions had the same effect for the same reason."""

    review: Review
    numbers: int
    in_force: int  # of these, those whose time was not over when the run began


@dataclass(frozen=True, slots=True)
class Undo:
    """What undoing a run changed."""

    at: int  # microseconds: when it was asked for
    restored: int = 0  # suppressions that the run had lifted
    lifted: int = 0  # suppressions that the run had made
    kept: int = 0  # left as they are, because something newer was decided

    def plus(self, restored: int, lifted: int, kept: int) -> "Undo":
        """Return the sum with what one more stretch took back."""
        return Undo(self.at, self.restored + restored, self.lifted + lifted, self.kept + kept)


@dataclass(frozen=True, slots=True)
class Effects:
    """The effects of a run besides those on messages."""

    retries: tuple[RetryLine, ...] = ()
    suppressions: tuple[SuppressionLine, ...] = ()
    undo: Undo | None = None

    def with_retries(self, moves: Iterable[RetryMove]) -> "Effects":
        """Return them with further items of the retry queue."""
        lines = {(line.effect, line.reason): line for line in self.retries}
        for move in moves:
            key = (move.effect, move.reason)
            known = lines.get(key, RetryLine(*key, 0, ()))
            examples = (*known.examples, move.sms_msg_id)[:MOST_EXAMPLES]
            lines[key] = replace(known, messages=known.messages + 1, examples=examples)
        order = sorted(lines.values(), key=lambda one: (one.effect, -one.messages, one.reason))
        return replace(self, retries=tuple(order))

    def with_suppressions(self, lines: Iterable[SuppressionLine]) -> "Effects":
        """Return them with further suppressions; a line of less than none takes back."""
        counted = {line.review: line for line in self.suppressions}
        for line in lines:
            known = counted.get(line.review, SuppressionLine(line.review, 0, 0))
            counted[line.review] = replace(
                known, numbers=known.numbers + line.numbers, in_force=known.in_force + line.in_force
            )
        found = [line for line in counted.values() if line.numbers]
        return replace(self, suppressions=tuple(sorted(found, key=_place)))


def _place(line: SuppressionLine) -> tuple[str, int, str, str, str]:
    review = line.review
    return (
        review.effect, -line.numbers, review.code or "", review.category or "", review.reason,
    )  # fmt: skip


def effect_on_retry(before: PlannedItem | None, after: PlannedItem | None) -> RetryEffect | None:
    """Return what happened to an item; None: nothing that a claimer would notice."""
    was_open = before is not None and before.state in OPEN_ITEMS
    is_open = after is not None and after.state in OPEN_ITEMS
    if was_open != is_open:
        return RetryEffect.WITHDRAWN if was_open else RetryEffect.QUEUED
    if before is None or after is None or not is_open:
        return None
    return None if before.planned_for == after.planned_for else RetryEffect.REPLANNED


def effects_on_retries(
    before: Mapping[int, PlannedItem],
    after: Mapping[int, PlannedItem],
    ids: Mapping[int, tuple[str, str]],
) -> list[RetryMove]:
    """Compare the items of messages.

    Args:
        before: by the number of the message.
        after: likewise.
        ids: of each message its id and the reason to name, in the order of examples.
    """
    found = []
    for number, (sms_msg_id, reason) in ids.items():
        effect = effect_on_retry(before.get(number), after.get(number))
        if effect is not None:
            found.append(RetryMove(effect, reason, sms_msg_id))
    return found
