"""What a person's SMS asks for: no more SMSs, or SMSs again."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

LONGEST_WORD = 64  # characters of a word, as it is set
_LONGEST = 200  # documented: 160; a longer text is no single word, however it is spaced

# "R" is documented (FAQ opt-out); the others are common in the trade.
USUAL_OPT_OUT = ("R", "T", "TD", "N", "STOP", "UNSUBSCRIBE", "退订", "退訂")
USUAL_OPT_IN = ("START", "UNSTOP", "订阅", "恢复订阅")

_SEPARATORS_AND_CONTROLS = "ZC"  # first letters of Unicode's categories
_SIGNS_AROUND = "`<>~"  # people quote and decorate with them; Unicode calls them symbols
_ACUTE_AS_QUOTE = str.maketrans("\u00b4", "'")  # NFKC would make it a blank and an accent


class Intent(StrEnum):
    """What an uplink asks for."""

    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"


def fold(text: str) -> str:
    """Give the form in which texts are compared with words.

    Full-width letters become ordinary ones, capitals small ones; blanks and what has no width are
    left out everywhere, punctuation around the rest.
    """
    plain = unicodedata.normalize("NFKC", text.translate(_ACUTE_AS_QUOTE)).casefold()
    plain = unicodedata.normalize("NFKC", plain)
    letters = [c for c in plain if unicodedata.category(c)[0] not in _SEPARATORS_AND_CONTROLS]
    start, end = 0, len(letters)
    while start < end and _is_around(letters[start]):
        start += 1
    while start < end and _is_around(letters[end - 1]):
        end -= 1
    return "".join(letters[start:end])


def _is_around(character: str) -> bool:
    return character in _SIGNS_AROUND or unicodedata.category(character)[0] == "P"


@dataclass(frozen=True, slots=True)
class Words:
    """The words that mean something when they are the whole text; folded."""

    opt_out: frozenset[str]
    opt_in: frozenset[str]

    def intent_of(self, text: str) -> Intent | None:
        """Tell what a text asks for; None for an ordinary answer."""
        if len(text) > _LONGEST:
            return None
        folded = fold(text)
        if folded in self.opt_out:
            return Intent.OPT_OUT
        return Intent.OPT_IN if folded in self.opt_in else None


def fold_words(words: Iterable[str]) -> frozenset[str]:
    """Fold words of a list.

    Raises:
        ValueError: nothing is left of one, or it is too long.
    """
    folded = set()
    for word in words:
        if not fold(word):
            raise ValueError(f"the word {word!r} has nothing but blanks and punctuation")
        if len(word) > LONGEST_WORD:
            raise ValueError(f"a word may have up to {LONGEST_WORD} characters")
        folded.add(fold(word))
    return frozenset(folded)


def make_words(opt_out: Iterable[str], opt_in: Iterable[str]) -> Words:
    """Make the words that are in force.

    Raises:
        ValueError: a word cannot be used, or is in both lists.
    """
    words = Words(fold_words(opt_out), fold_words(opt_in))
    both = sorted(words.opt_out & words.opt_in)
    if both:
        raise ValueError(f"{both[0]!r} is an opt-out word too; it can mean only one of the two")
    return words


USUAL_WORDS = make_words(USUAL_OPT_OUT, USUAL_OPT_IN)
