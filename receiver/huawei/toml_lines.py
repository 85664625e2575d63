"""The line numbers of the fields of a TOML file, which the standard parser does not report."""

import re

_KEY = re.compile(
    r"""\s*(?:"(?P<quoted>[^"]*)"|'(?P<literal>[^']*)'|(?P<bare>[A-Za-z0-9_-]+))\s*="""
)
_TEXT_OR_COMMENT = re.compile(
    r"""
    (?P<lines> \"{3} (?: \\. | [^\\] )*? \"{3,5} | '{3} .*? '{3,5} )
    | \" (?: \\. | [^"\\\n] )* \" | '[^'\n]*'
    | \# [^\n]*
    """,
    re.VERBOSE | re.DOTALL,
)

Lines = tuple[int, dict[str, int]]  # of the table's header, and of its fields


def field_lines(text: str, table: str) -> list[Lines]:
    """Return the lines of each `[[table]]` of a valid TOML text, and of the fields in it."""
    header = re.compile(rf"\s*\[\[\s*[\"']?{re.escape(table)}[\"']?\s*\]\]")
    found: list[Lines] = []
    for number, line in enumerate(_TEXT_OR_COMMENT.sub(_without_lines, text).split("\n"), 1):
        if header.match(line):
            found.append((number, {}))
            continue
        key = _KEY.match(line)
        if key and found:
            found[-1][1].setdefault(key["quoted"] or key["literal"] or key["bare"], number)
    return found


def _without_lines(found: re.Match[str]) -> str:
    """Keep of a text of several lines only the line ends; other texts may be keys."""
    return "\n" * found["lines"].count("\n") if found["lines"] else found[0]
