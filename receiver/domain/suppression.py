"""Who is not to be sent to: the newest word of each person to each channel."""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Where a word comes from."""

    UPLINK = "uplink"


@dataclass(frozen=True, slots=True)
class Party:
    """Who said something, and to which channel."""

    number: str  # E.164 where it is a number
    channel: str  # the number that the person wrote to, its extension included
    application: str


@dataclass(frozen=True, slots=True)
class Word:
    """An opt-out, or an opt-in that lifts it."""

    suppressed: bool
    decided_at: int  # microseconds: when the person wrote it
    source: Source
    source_id: str  # of an uplink its smsMsgId


def last_word(one: Word, other: Word) -> Word:
    """Give the word that holds: the newer one; of two at the same moment the opt-out.

    Any order and any repetition of words gives the same. An opt-in is therefore kept also where
    no opt-out is known: an older one may still come.
    """
    return max(one, other, key=_weight)


def _weight(word: Word) -> tuple[int, bool, str, str]:
    return word.decided_at, word.suppressed, word.source_id, word.source
