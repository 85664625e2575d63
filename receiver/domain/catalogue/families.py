"""Patterns of status codes: the family rows that match a code, most specific first."""

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

ANY = "*"  # stands for any text; only at an end of a pattern, for codes such as REJECTD*704 exist
ONE = "?"  # stands for one digit
_INDEXED = 2  # characters
# A number that is not 0, which says that nothing is wrong, and maybe more behind it.
_A_NUMBER = r"(?!0+(?![0-9]))[0-9]{1,6}(?:[\s,;:*/|_(\[].*)?"
_MORE = r"(?:[\s,;*/|_(\[].*)?"  # behind a bare number; a longer one would be another
_T = TypeVar("_T")


def is_pattern(code: str) -> bool:
    """Return whether a listed code stands for others."""
    return code.startswith(ANY) or code.endswith(ANY) or ONE in code


def is_too_wide(pattern: str) -> bool:
    """Return whether a pattern would stand for every code."""
    return not pattern.strip(ANY + ONE)


class Patterns(Generic[_T]):
    """Values by pattern."""

    def __init__(self, rows: Iterable[tuple[str, bool, _T]]) -> None:
        """Index rows of pattern, whether its `*` behind a colon stands for a number, and value.

        Among equally close patterns their order counts.
        """
        self._compiled: dict[str, list[tuple[int, re.Pattern[str], _T]]] = {}
        closest_first = sorted(rows, key=lambda row: _closeness(row[0]), reverse=True)
        for place, (pattern, numbers, value) in enumerate(closest_first):
            start = re.split(r"[*?]", pattern.upper(), maxsplit=1)[0][:_INDEXED]
            self._compiled.setdefault(start, []).append((place, _compile(pattern, numbers), value))

    def covering(self, code: str) -> list[_T]:
        """Return the values whose pattern covers a code (in upper case), the closest first."""
        starts = {code[:length] for length in range(_INDEXED + 1)}
        found = [
            (place, value)
            for start in starts
            for place, expression, value in self._compiled.get(start, ())
            if expression.fullmatch(code)
        ]
        return [value for _, value in sorted(found, key=lambda one: one[0])]


def _closeness(pattern: str) -> tuple[int, int]:
    """Rank by the characters that must be there, then by those whose place must be taken."""
    return len(pattern.replace(ANY, "").replace(ONE, "")), pattern.count(ONE)


def _compile(pattern: str, numbers: bool) -> re.Pattern[str]:
    text = pattern.strip(ANY).upper()
    before = ".*" if pattern.startswith(ANY) else ""
    middle = "".join("[0-9]" if c == ONE else re.escape(c) for c in text)
    after = ""
    if pattern.endswith(ANY):
        after = ".*"
        if text.isdigit():
            after = _MORE
        elif numbers and text.endswith((":", ".")):
            after = _A_NUMBER
    return re.compile(before + middle + after, re.DOTALL)
