"""Status codes as strings: the notations in which one code arrives.

The documented type says seven characters (sms_05_0003); what arrives is longer, in any case, with
or without zeros in front of its number, and some networks leave the name of the family away.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from receiver.domain.identifiers import clean

LONGEST_ANALYSED = 64  # characters; no listed code comes near
_NUMBERED = re.compile(
    r"""(?: (?P<family> [A-Z0-9]* [A-Z] [A-Z0-9]* | [0-9]{1,3} ) [:.] \s*   # MK:0012, CL26:-37
          | (?P<letters> [A-Z]+ ) )?                                         # MI00020
        (?P<number> -? [0-9]{1,9} )""",
    re.VERBOSE | re.ASCII,
)
_WITHOUT_COLON = re.compile(r"([A-Z]{2})([0-9]{4,5})", re.ASCII)
_TAIL = re.compile(r"[\s,;:*/|_(\[]")
_ONE_OCTET = range(1, 256)  # SGIP 1.2 gives a result one octet; 0 is no error


@dataclass(frozen=True, slots=True)
class Numbered:
    """A code that consists of a family and a number; the family of a bare number is empty."""

    family: str
    number: int


def fold(code: str) -> str:
    """Return a code without regard to case, to what surrounds it unseen and to a colon's width."""
    return clean(code).upper().replace("：", ":")


def with_colon(code: str) -> str | None:
    """Return `MK:0099` for `MK0099`; None for anything else."""
    found = _WITHOUT_COLON.fullmatch(fold(code))
    return f"{found[1]}:{found[2]}" if found else None


def numbered(code: str) -> Numbered | None:
    """Take a code apart; None when it is not a family with a number."""
    found = _NUMBERED.fullmatch(fold(code)[:LONGEST_ANALYSED])
    if found is None:
        return None
    return Numbered(found["family"] or found["letters"] or "", int(found["number"]))


def twin(code: Numbered) -> Numbered | None:
    """Return the other writing of an SGIP result: `SGIP:n` for `n` and the other way round."""
    if code.number not in _ONE_OCTET or code.family not in ("", "SGIP"):
        return None
    return Numbered("SGIP" if code.family == "" else "", code.number)


def heads(code: str) -> Iterator[str]:
    """Return what may be the documented code at the start of a longer one, the longest first.

    A head holds a letter: digits alone before anything else are no code.
    """
    text = fold(code)[:LONGEST_ANALYSED]
    for cut in sorted((found.start() for found in _TAIL.finditer(text)), reverse=True):
        if any(character.isalpha() for character in text[:cut]):
            yield text[:cut]
