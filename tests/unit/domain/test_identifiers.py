"""Identifiers: what surrounds them unseen is no part of them, all else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.identifiers import clean, visible
from tests.support.doors import INVISIBLE, padded


@pytest.mark.parametrize("sign", INVISIBLE, ids=lambda sign: f"U+{ord(sign):04X}")
def test_invisible_signs(sign: str) -> None:
    """A sign that cannot be seen is removed on both sides, also repeated, and kept inside."""
    inner = f"A{sign}b"

    assert clean(f"{sign}{inner}{sign}") == inner
    assert clean(f"{sign}{sign} {inner}\r\n{sign}") == inner
    assert clean(3 * sign) == ""


@pytest.mark.parametrize("sign", INVISIBLE, ids=lambda sign: f"U+{ord(sign):04X}")
def test_what_is_visible(sign: str) -> None:
    """What is no opaque identifier loses such signs in its middle too, but for its blanks."""
    kept = sign if sign.isspace() else ""
    assert visible(f"A{sign}b{sign}{sign}c") == f"A{kept}b{kept}{kept}c"


@given(st.text("aZ09_-%.中é"), st.data())
def test_only_padding_goes(text: str, data: st.DataObject) -> None:
    """Any mixture of padding leads to the identifier itself, whose case and content stay."""
    assert clean(data.draw(padded(text))) == text


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_cleaning_is_idempotent(text: str) -> None:
    """What is clean stays as it is, and is a piece of what it was."""
    once = clean(text)

    assert clean(once) == once
    assert once in text
