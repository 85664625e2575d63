"""Patterns of status codes: which family rows cover a code, the closest first."""

import re
from collections.abc import Iterable
from typing import Generic, TypeVar

ANY = "*"  # stands for any text; only at an end of a pattern, for codes such as REJECTD*704 exist
ONE = "?"  # stands for one digit
_T = TypeVar("_T")


def is_pattern(code: str) -> bool:
    """Tell whether a listed code stands for others."""
    return code.startswith(ANY) or code.endswith(ANY) or ONE in code


def is_too_wide(pattern: str) -> bool:
    """Tell whether a pattern would stand for every code."""
    return not pattern.strip(ANY + ONE)


class Patterns(Generic[_T]):
    """Values by pattern."""

    def __init__(self, pairs: Iterable[tuple[str, _T]]) -> None:
        """Index the pairs of pattern and value; among equally close ones their order counts."""
        closest_first = sorted(pairs, key=lambda pair: _closeness(pair[0]), reverse=True)
        self._compiled = [(_compile(pattern), value) for pattern, value in closest_first]

    def covering(self, code: str) -> list[_T]:
        """Give the values whose pattern covers a code (in upper case), the closest first."""
        return [value for expression, value in self._compiled if expression.fullmatch(code)]


def _closeness(pattern: str) -> tuple[int, int]:
    """Rank by the characters that must be there, then by those whose place must be taken."""
    return len(pattern.replace(ANY, "").replace(ONE, "")), pattern.count(ONE)


def _compile(pattern: str) -> re.Pattern[str]:
    text = pattern.strip(ANY).upper()
    before = ".*" if pattern.startswith(ANY) else ""
    # After a bare number more digits would make another number.
    more = r"(?:\D.*)?" if text.isdigit() else ".*"
    after = more if pattern.endswith(ANY) else ""
    middle = "".join("[0-9]" if c == ONE else re.escape(c) for c in text)
    return re.compile(before + middle + after, re.DOTALL)
