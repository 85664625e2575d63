"""Text in CSV cells that no spreadsheet interprets, and the reverse."""

import re

# What begins a formula; the wide and small forms are read as the plain ones in some languages.
_SIGNS = (
    r"=+\-@\u207a\u207b\u207c\u208a\u208b\u208c\u2212\u2a75\u2a76\ufe62\ufe63\ufe66\ufe6b"
    r"\uff0b\uff0d\uff1d\uff20"
)
# What separates cells or rows in the spreadsheets of some locale: behind each a cell can begin.
_SEPARATORS = r",;|\t\r\n\v\f\x1c-\x1e\x85\u2028\u2029"
# What a spreadsheet drops or does not show before the first character that counts: quotation
# marks, blanks, control characters, invisible characters, bytes that are no text.
_IGNORED = (
    r"\"\uff02 \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
    r"\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f"
    r"\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    r"\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff"
)
_FORMULA = rf"[{_IGNORED}']*[{_SIGNS}]"
# Of a number a spreadsheet shows 12 digits, keeps 15, and drops the zeros in front.
_NUMBER = rf"[{_IGNORED}]*(?:0[0-9]+|[0-9]{{12,}}|[0-9]+(?:\.[0-9]+)?[eE][0-9]+)[{_IGNORED}]*\Z"
_BEGINS = rf"{_FORMULA}|[{_IGNORED}]*'|[\t\r\n]|{_NUMBER}"

_UNMARKED = re.compile(rf"\A(?={_BEGINS})|(?<=[{_SEPARATORS}])(?={_FORMULA})")
_MARKED = re.compile(rf"\A'(?={_BEGINS})|(?<=[{_SEPARATORS}])'(?={_FORMULA})")


def defused(text: str) -> str:
    """Write a text for a CSV cell: an apostrophe stands before every piece that would be more.

    A piece begins with the text and behind every character at which some spreadsheet separates
    cells or rows. One that begins with a sign of a formula gets an apostrophe, also behind
    apostrophes of its own, so that `restored` gives the text back. A text that begins with an
    apostrophe, a tab or a line end, or is a number that a spreadsheet shortens, gets one too.
    """
    return _UNMARKED.sub("'", text)


def restored(text: str) -> str:
    """Return the text that `defused` has written."""
    return _MARKED.sub("", text) if "'" in text else text
