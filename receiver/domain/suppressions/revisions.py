"""How the current rules change suppressions by codes: the reason, and the undo.

What an undo puts back is marked by its time (`Word.restored_at`). It stands, whatever the messages
say that were known by then, until something newer is heard or the next reclassification.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from receiver.domain.effects import Review, SuppressionEffect, SuppressionLine
from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
    concerns,
)


@dataclass(frozen=True, slots=True)
class Proof:
    """What the message of a suppression says by today's rules."""

    number: str | None  # to which it went
    category: str | None
    row: str | None  # of the catalogue; None: no row decides
    suppresses: bool  # whether that row does
    is_believed: bool  # and its reports are trusted enough


@dataclass(frozen=True, slots=True)
class Revision:
    """What stood about a party, and what stands now."""

    party: SuppressionScope
    before: SuppressionEntry | None
    after: SuppressionEntry | None

    @property
    def effect(self) -> SuppressionEffect | None:
        """Whether the party became suppressed or ceased to be; None: neither."""
        was, now = _suppresses(self.before), _suppresses(self.after)
        if was == now:
            return None
        return SuppressionEffect.LIFTED if was else SuppressionEffect.MADE

    @property
    def is_other_failure(self) -> bool:
        """Whether the party stays suppressed, but for another failure."""
        return self.effect is None and _suppresses(self.after) and self.before != self.after

    @property
    def word(self) -> SuppressionEntry | None:
        """The suppression that was lifted or made."""
        return self.before if self.effect is SuppressionEffect.LIFTED else self.after


@dataclass(frozen=True, slots=True)
class Noted:
    """What a run noted about one party."""

    party: SuppressionScope
    at: int  # microseconds
    review: Review
    word: SuppressionEntry  # that was lifted or made

    def line(self, moment: int, numbers: int = 1) -> SuppressionLine:
        """Return what it adds to the counts of a run that began at a moment."""
        return SuppressionLine(self.review, numbers, numbers * self.word.is_in_force(moment))


def explain(
    revision: Revision, proof: Proof | None, others: Iterable[Revision], *, is_on: bool
) -> str:
    """Return why a suppression was lifted or made.

    Args:
        revision: which has an effect.
        proof: by the message of the suppression; None: it is not stored.
        others: revisions of the same run, this one too.
        is_on: whether codes suppress at all.
    """
    row = None if proof is None else proof.row
    if revision.effect is SuppressionEffect.MADE:
        return f"catalogue row {row} suppresses" if row else "the message has finally failed"
    if not is_on:
        return "suppression by codes is switched off"
    disproof = None if proof is None else _disproof(proof, revision.party.number)
    if disproof is not None:
        return disproof
    if any(_takes_over(other, revision) for other in others):
        return "it applies to another channel"
    return "a later delivery disproves it"


def _disproof(proof: Proof, number: str) -> str | None:
    """Return why a message does not suppress a number; None: by itself it does."""
    if not proof.suppresses:
        row = proof.row
        return f"catalogue row {row} no longer suppresses" if row else "the message has not failed"
    if not proof.is_believed:
        return "the report is not trusted enough"
    return None if proof.number == number else "the message was sent to another number"


def taken_back(entry: Noted, said: Iterable[ScopedEntry], now: int) -> SuppressionEntry | None:
    """Return the word that undoes an entry of a run; None: something newer was decided.

    What a person or somebody here has said since is never overridden.

    Args:
        entry: of the run.
        said: all words about the number as they stand.
        now: microseconds.
    """
    standing: SuppressionEntry | None = None
    for one in said:
        if one.word.source is Source.CODE:
            standing = one.word if one.party == entry.party else standing
        elif one.word.decided_at >= entry.at and concerns(one.party, entry.party):
            return None
    if entry.review.effect is SuppressionEffect.LIFTED:
        return None if _suppresses(standing) else replace(entry.word, restored_at=now)
    is_same = standing is not None and _failure(standing) == _failure(entry.word)
    if not is_same or not _suppresses(standing):
        return None
    return replace(entry.word, suppressed=False, restored_at=now)


def is_kept(
    restored: SuppressionEntry, wanted: SuppressionEntry | None, delivered_at: int | None
) -> bool:
    """Return whether what an undo put back still stands beside what the messages prove.

    Args:
        restored: the word that was put back.
        wanted: what the messages prove; None: nothing.
        delivered_at: the last delivery that would disprove it, microseconds.
    """
    if wanted is not None and wanted.decided_at > restored.decided_at:
        return False
    was_disproved = (
        restored.restored_at is not None
        and delivered_at is not None
        and delivered_at > restored.restored_at
    )
    return not (restored.suppressed and was_disproved)


def _suppresses(word: SuppressionEntry | None) -> bool:
    return word is not None and word.suppressed


def _failure(word: SuppressionEntry) -> tuple[str, int]:
    return word.source_id, word.decided_at


def _takes_over(other: Revision, lifted: Revision) -> bool:
    after, before = other.after, lifted.before
    return (
        other.effect is SuppressionEffect.MADE
        and after is not None
        and before is not None
        and other.party.number == lifted.party.number
        and _failure(after) == _failure(before)
    )
