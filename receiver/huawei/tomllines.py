"""Where the fields of a TOML file stand; the standard parser does not tell."""

import re
from collections.abc import Iterator

_KEY = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]*)"|'(?P<literal>[^']*)'|(?P<bare>[A-Za-z0-9_-]+))\s*="""
)
_FENCES = ('"""', "'''")

Lines = tuple[int, dict[str, int]]  # of the table's header, and of its fields


def field_lines(text: str, table: str) -> list[Lines]:
    """Give the lines of each `[[table]]` of a valid TOML text, and of the fields in it."""
    header = re.compile(rf"\s*\[\[\s*[\"']?{re.escape(table)}[\"']?\s*\]\]")
    found: list[Lines] = []
    for number, line in _lines_outside_texts(text):
        if header.match(line):
            found.append((number, {}))
            continue
        key = _KEY.match(line)
        if key and found:
            found[-1][1].setdefault(key["quoted"] or key["literal"] or key["bare"], number)
    return found


def _lines_outside_texts(text: str) -> Iterator[tuple[int, str]]:
    """Give the lines that do not begin inside a text of several lines."""
    fence = ""
    for number, line in enumerate(text.split("\n"), 1):
        if not fence:
            yield number, line
        for mark in _FENCES:
            if fence in ("", mark) and line.count(mark) % 2:
                fence = "" if fence else mark
                break
