"""Padding that programs and people put around identifiers without seeing it."""

from hypothesis import strategies as st

INVISIBLE = (
    *" \t\r\n\f\v\x00\x1f\x7f",
    *"\x85\xa0\xad\u034f\u061c\u115f\u1680\u180b\u2003\u2009",
    *"\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u202f\u205f\u2060\u2066\u2800",
    *"\u3000\u3164\ufe0f\ufeff\uffa0\U000e0001\U000e0100",
)


def paddings() -> st.SearchStrategy[str]:
    """Draw what may stand on one side of an identifier."""
    return st.text(st.sampled_from(INVISIBLE), max_size=4)


def padded(text: str) -> st.SearchStrategy[str]:
    """Draw an identifier with padding on both sides."""
    return st.builds(lambda left, right: left + text + right, paddings(), paddings())
