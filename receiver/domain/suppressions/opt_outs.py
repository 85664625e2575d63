"""What an uplink asks for: opt out, or opt in again."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from receiver.domain.inputs import Uplink

LONGEST_WORD = 64  # characters of a word, as it is set
_LONGEST = 200  # documented: 160; a longer text is no single word, however it is spaced

# "R" is documented (FAQ opt-out); the others are common in the trade.
FIRM_OPT_OUT = ("R", "T", "TD", "N", "STOP", "UNSUBSCRIBE", "退订", "退訂")
# One of the others may be set as an opt-in word, and is no opt-out word then.
USUAL_OPT_OUT = (
    *FIRM_OPT_OUT, "STOPALL", "CANCEL", "QUIT", "END", "REVOKE", "OPTOUT", "OPT-OUT", "拒收",
    "取消订阅", "取消訂閱", "我要退订", "我要退訂",
    "TD退订", "TD退訂", "R退订", "R退訂", "T退订", "T退訂", "回复R", "回覆R", "回復R", "回复TD",
    "回覆TD", "回復TD", "回复T", "回覆T", "回復T",
)  # fmt: skip
USUAL_OPT_IN = ("START", "UNSTOP", "订阅", "恢复订阅")

# NFKC would make an acute a blank and an accent. Phones write dashes where a hyphen was typed.
_AS_TYPED = str.maketrans(
    {"\u00b4": "'"} | dict.fromkeys("_\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
)
_KEYCAP = re.compile("[0-9#*]\ufe0f?\u20e3")
# Letters and marks by their category, though nothing is seen of them: fillers, variation
# selectors, the grapheme joiner.
_UNSEEN = frozenset(
    map(
        chr,
        (
            0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0,
            *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0),
        ),
    )
)  # fmt: skip
_SIGNS_AROUND = "`<>~"  # people quote with them; Unicode calls them symbols
_ENCLOSING = frozenset({"Ps", "Pe", "Pi", "Pf"})  # brackets and quotation marks
_QUOTES_AND_COLONS = frozenset("\"':")
_OVERLAY = 1  # canonical combining class of what strikes a letter through


class Intent(StrEnum):
    """What an uplink asks for."""

    OPT_OUT = "opt-out"
    OPT_IN = "opt-in"


def fold(text: str) -> str:
    """Return the form in which texts are compared with words.

    Full-width letters become ordinary ones, capitals small ones. Left out are blanks, what has no
    width, brackets, quotation marks and colons everywhere; other punctuation, symbols and emojis
    around the rest.
    """
    plain = unicodedata.normalize("NFKC", text.translate(_AS_TYPED)).casefold()
    plain = unicodedata.normalize("NFKC", plain)
    letters = _between([character for character in plain if _is_seen(character)])
    return "".join(character for character in letters if not _is_enclosing(character))


def _undecorated(text: str) -> str:
    """Leave out emojis and symbols around a text; some of them are letters for NFKC."""
    composed = unicodedata.normalize("NFC", _KEYCAP.sub("", text))
    return "".join(_between([character for character in composed if _is_seen(character)]))


def _symbols(text: str) -> str:
    """Return the symbols of a text: a word may be one of them alone."""
    return "".join(c for c in text if unicodedata.category(c)[0] == "S" and c not in _SIGNS_AROUND)


def _between(letters: list[str]) -> list[str]:
    start, end = 0, len(letters)
    while start < end and _is_beside(letters[start]):
        start += 1
    while start < end and _is_decoration(letters[start:end]):
        end -= 1
    return letters[start:end]


def _is_seen(character: str) -> bool:
    """Return whether a character is no blank, has a width and stands for itself."""
    category = unicodedata.category(character)
    # A lone surrogate stands for a byte that nobody can read: not nothing.
    is_blank = category[0] in "ZC" and category != "Cs"
    is_around_letter = category == "Me" or unicodedata.combining(character) == _OVERLAY
    return not (is_blank or is_around_letter or character in _UNSEEN)


def _is_beside(character: str) -> bool:
    """Return whether a character may stand before or behind a word without being part of it."""
    return unicodedata.category(character)[0] in "PSM"


def _is_decoration(letters: Sequence[str]) -> bool:
    """Return whether the last of some characters is decoration; a mark may belong to its letter."""
    last = letters[-1]
    if unicodedata.category(last)[0] != "M":
        return _is_beside(last)
    bearer = next((c for c in reversed(letters) if unicodedata.category(c)[0] != "M"), last)
    return bearer.isascii() or _is_beside(bearer) or _is_chinese(bearer)


def _is_chinese(character: str) -> bool:
    return unicodedata.name(character, "").startswith("CJK UNIFIED")


def _is_enclosing(character: str) -> bool:
    return character in _QUOTES_AND_COLONS or unicodedata.category(character) in _ENCLOSING


@dataclass(frozen=True, slots=True)
class OptOutWords:
    """The keywords that count if they are the entire text; folded."""

    opt_out: frozenset[str]
    opt_in: frozenset[str]

    def intent_of(self, text: str) -> Intent | None:
        """Return what a text asks for; None for an ordinary answer."""
        if len(text) > _LONGEST:
            return None
        # An emoji alone is not the letters that it shows.
        without = fold(_undecorated(text))
        forms = {fold(text), without} if without else {_symbols(text)}
        if not self.opt_out.isdisjoint(forms):
            return Intent.OPT_OUT
        return None if self.opt_in.isdisjoint(forms) else Intent.OPT_IN

    def asked_by(self, uplink: Uplink) -> Intent | None:
        """Return what an uplink asks for; a guess may only ask for an opt-out."""
        text = uplink.body if uplink.text is None else uplink.text
        sure = None if uplink.is_guess else self.intent_of(text)
        if sure is None and Intent.OPT_OUT in map(self.intent_of, uplink.guesses):
            return Intent.OPT_OUT
        return sure


def fold_words(words: Iterable[str]) -> frozenset[str]:
    """Fold words of a list.

    Raises:
        ValueError: nothing is left of one, or it is too long.
    """
    folded = set()
    for word in words:
        form = fold(word) or _symbols(word)
        if not form:
            raise ValueError(
                f"the keyword {word!r} contains only blanks and punctuation; remove it"
            )
        if len(word) > LONGEST_WORD:
            raise ValueError(f"a keyword must have at most {LONGEST_WORD} characters")
        folded.add(form)
    return frozenset(folded)


def make_words(opt_out: Iterable[str], opt_in: Iterable[str]) -> OptOutWords:
    """Return the effective keywords.

    Raises:
        ValueError: a word cannot be used, or is in both lists.
    """
    words = OptOutWords(fold_words(opt_out), fold_words(opt_in))
    both = sorted(words.opt_out & words.opt_in)
    if both:
        raise ValueError(
            f"{both[0]!r} is also an opt-out keyword; remove it from one of the two lists"
        )
    return words


USUAL_WORDS = make_words(USUAL_OPT_OUT, USUAL_OPT_IN)
