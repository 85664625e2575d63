"""The items of a batch, one after the other: however many there are, none is read for long.

`json.loads` reads a body at once: a megabyte of small values takes a tenth of a second. Here each
step reads one value, and no value may be longer than a window.
"""

import re
from collections.abc import Callable, Iterator
from json import JSONDecodeError
from typing import Any

from receiver.huawei.unused import LIST

LONGEST_ITEM = 64 * 1024  # characters; the documented fields have 13,158 where all are escaped

_BLANKS = re.compile(r"[ \t\n\r]*")
_MAY_BE_MORE = frozenset(("", " ", "\t", "\n", "\r"))  # where a value could begin; "": the end

# A value and its end in a text, from a place on; as `json.JSONDecoder.raw_decode`.
Scan = Callable[[str, int], tuple[Any, int]]


class TooLongError(ValueError):
    """A value does not end, or is none, within the longest an item may be."""


class NoListError(ValueError):
    """There is no list of reports."""


ANOTHER_LIST = object()  # in place of an item: another list begins, which counts instead


def read_items(
    text: str, scan: Scan, beside: Callable[[Any, Any], None] | None = None
) -> Iterator[Any]:
    """Return the items of `statusReportList`; what is wrong behind one is told after it.

    Args:
        text: of the batch.
        scan: reads a value.
        beside: is told the members beside the list.

    Raises:
        TooLongError: an item cannot be read within its longest; what follows it is not read.
        NoListError: the JSON has no such list.
        ValueError: it is no JSON.
    """
    walk = _Walk(text, scan)
    if not walk.take("{"):
        raise NoListError
    found = False
    while True:
        name = walk.value()
        walk.expect(":")
        if name != LIST:
            value = walk.value()
            if beside:
                beside(name, value)
        else:
            if found:
                yield ANOTHER_LIST
            found = walk.take("[")
            if found:
                yield from _rest_of_list(walk)
            else:
                walk.value()
        if walk.take("}"):
            break
        walk.expect(",")
    if not walk.is_at_end():
        raise ValueError("unexpected data after the object")
    if not found:
        raise NoListError


def _rest_of_list(walk: "_Walk") -> Iterator[Any]:
    if walk.take("]"):
        return
    yield walk.value()
    while walk.take(","):
        yield walk.value()
    walk.expect("]")


class _Walk:
    """A place in a text, and the window of it that is being read."""

    def __init__(self, text: str, scan: Scan) -> None:
        self._text = text
        self._scan = scan
        self._start = 0  # of the window
        self._window = text[:LONGEST_ITEM]
        self._at = 0  # in the window

    def value(self) -> Any:
        """Read a value.

        Raises:
            TooLongError: it does not end within its longest.
            ValueError: it is none.
        """
        if self._window[self._at : self._at + 1] in _MAY_BE_MORE:
            self._skip_blanks()
        found = self._read()
        if found is None and self._at > 0:
            self._move()
            found = self._read()
        if found is None:
            raise ValueError("no value") if self._is_last() else TooLongError
        value, self._at = found
        return value

    def _read(self) -> tuple[Any, int] | None:
        """Read a value as far as it lies in the window; None when it does not."""
        try:
            found = self._scan(self._window, self._at)
        except JSONDecodeError:
            return None
        # What reaches the window's end may go on behind it.
        return found if found[1] < len(self._window) or self._is_last() else None

    def take(self, sign: str) -> bool:
        """Go past a sign if it comes next."""
        if not self._window.startswith(sign, self._at):  # nearly always at once
            self._skip_blanks()
            if not self._window.startswith(sign, self._at):
                return False
        self._at += 1
        return True

    def expect(self, sign: str) -> None:
        """Go past a sign.

        Raises:
            ValueError: another one comes next.
        """
        if not self.take(sign):
            raise ValueError("unexpected character")

    def is_at_end(self) -> bool:
        """Return whether only blanks follow."""
        self._skip_blanks()
        return self._at == len(self._window)

    def _skip_blanks(self) -> None:
        while True:
            self._at = _BLANKS.match(self._window, self._at).end()  # type: ignore[union-attr]  # it matches anything
            if self._at < len(self._window) or self._is_last():
                return
            self._move()

    def _move(self) -> None:
        """Let the window begin at the place."""
        self._start += self._at
        self._window = self._text[self._start : self._start + LONGEST_ITEM]
        self._at = 0

    def _is_last(self) -> bool:
        return self._start + len(self._window) >= len(self._text)
