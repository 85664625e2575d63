"""Status codes as strings, and the patterns that stand for several of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.catalogue.codes import LONGEST_ANALYSED, Numbered, fold, heads, numbered, twin
from receiver.domain.catalogue.families import Patterns, is_pattern, is_too_wide

NUMBERED = [
    # code, family, number; no family where it is not a family with a number
    pytest.param("MK:0012", ("MK", 12), id="as-documented"),
    pytest.param("MK:12", ("MK", 12), id="no-padding"),
    pytest.param("MK:000000012", ("MK", 12), id="nine-digits"),
    pytest.param(" mk:0012\t", ("MK", 12), id="case-and-blanks"),
    pytest.param("MK0012", ("MK", 12), id="missing-colon"),
    pytest.param("MK.0012", ("MK", 12), id="full-stop"),
    pytest.param("MK：0012", ("MK", 12), id="wide-colon"),
    pytest.param("MK: 0012", ("MK", 12), id="blank-inside"),
    pytest.param("SGIP:5", ("SGIP", 5), id="sgip"),
    pytest.param("CL26:-37", ("CL26", -37), id="negative-in-a-family"),
    pytest.param("2:24", ("2", 24), id="family-of-digits"),
    pytest.param("5", ("", 5), id="bare"),
    pytest.param("005", ("", 5), id="bare-padded"),
    pytest.param("-8704", ("", -8704), id="bare-negative"),
    pytest.param("E200027", ("E", 200027), id="letter-and-number"),
    pytest.param(" " * 99 + "MK:12", ("MK", 12), id="many-blanks-before"),
    pytest.param("MK:12" + " " * 99, ("MK", 12), id="many-blanks-behind"),
    pytest.param("MK:12" + " " * 99 + "X", None, id="something-far-behind"),
    pytest.param("", None, id="empty"),
    pytest.param("DELIVRD", None, id="letters-only"),
    pytest.param("MK:", None, id="no-number"),
    pytest.param(":12", None, id="no-family"),
    pytest.param("MK:NNNN", None, id="letters-for-a-number"),
    pytest.param("MK:0012A", None, id="a-letter-behind"),
    pytest.param("MK:1234567890", None, id="ten-digits"),
    pytest.param("1234:5", None, id="long-family-of-digits"),
    pytest.param("MK:--1", None, id="two-signs"),
    pytest.param("MK:1.5", None, id="fraction"),
    pytest.param("MK:١٢", None, id="arabic-digits"),
    pytest.param("\uff11\uff12", None, id="wide-digits"),
    pytest.param("REJECTD*704", None, id="star-inside"),
]


@pytest.mark.parametrize(("code", "expected"), NUMBERED)
def test_a_code_is_taken_apart(code: str, expected: tuple[str, int] | None) -> None:
    """A family and a number are told from each other in every writing, or not at all."""
    assert numbered(code) == (None if expected is None else Numbered(*expected))


TWINS = [
    pytest.param(Numbered("SGIP", 5), Numbered("", 5), id="sgip-to-bare"),
    pytest.param(Numbered("", 5), Numbered("SGIP", 5), id="bare-to-sgip"),
    pytest.param(Numbered("", 1), Numbered("SGIP", 1), id="smallest"),
    pytest.param(Numbered("", 0), None, id="zero-is-no-failure"),
    pytest.param(Numbered("", 255), Numbered("SGIP", 255), id="largest"),
    pytest.param(Numbered("", 256), None, id="too-large"),
    pytest.param(Numbered("SGIP", -1), None, id="negative"),
    pytest.param(Numbered("MK", 5), None, id="another-family"),
]


@pytest.mark.parametrize(("code", "other"), TWINS)
def test_an_sgip_result_has_two_writings(code: Numbered, other: Numbered | None) -> None:
    """`SGIP:n` and `n` stand for each other as long as n is one octet."""
    assert twin(code) == other
    if other is not None:
        assert twin(other) == code


HEADS = [
    pytest.param("UNDELIV", [], id="nothing-behind"),
    pytest.param("undeliv 12", ["UNDELIV"], id="blank"),
    pytest.param("UNDELIV:001:2", ["UNDELIV:001", "UNDELIV"], id="longest-first"),
    pytest.param("A,B;C|D", ["A,B;C", "A,B", "A"], id="several-signs"),
    pytest.param("MK:0012(off)", ["MK:0012", "MK"], id="bracket"),
    pytest.param("REJECTD*704", ["REJECTD"], id="star"),
    pytest.param("12:5", [], id="digits-alone-are-no-head"),
    pytest.param(":A", [], id="nothing-in-front"),
    pytest.param("", [], id="empty"),
]


@pytest.mark.parametrize(("code", "expected"), HEADS)
def test_the_documented_code_may_stand_in_front(code: str, expected: list[str]) -> None:
    """What stands before a separator is offered, the longest first, if it holds a letter."""
    assert list(heads(code)) == expected


@given(code=st.text(), before=st.text(" \t\n"), behind=st.text(" \t\n"))
def test_blanks_and_case_change_nothing(code: str, before: str, behind: str) -> None:
    """A code means the same in lower case and between blanks, however many."""
    written = before + code + behind
    assert fold(written) == fold(code)
    assert numbered(written) == numbered(code) == numbered(fold(code))
    assert list(heads(written)) == list(heads(code))


@given(code=st.text(min_size=LONGEST_ANALYSED, max_size=3 * LONGEST_ANALYSED))
def test_the_work_on_a_long_code_is_bounded(code: str) -> None:
    """Only the beginning of a long code is looked at."""
    assert all(len(head) < LONGEST_ANALYSED for head in heads(code))


# --- patterns

KINDS = [
    # code, is a pattern, is too wide
    pytest.param("MK:*", True, False, id="star-behind"),
    pytest.param("*704", True, False, id="star-before"),
    pytest.param("*70*", True, False, id="star-at-both-ends"),
    pytest.param("CL??:*", True, False, id="single-places"),
    pytest.param("A?", True, False, id="one-place"),
    pytest.param("REJECTD*704", False, False, id="inner-star"),
    pytest.param("MK:0012", False, False, id="a-code"),
    pytest.param("*", True, True, id="star-alone"),
    pytest.param("**", True, True, id="two-stars"),
    pytest.param("?*", True, True, id="anything-with-a-digit"),
    pytest.param("???", True, True, id="any-three-digits"),
]


@pytest.mark.parametrize(("code", "pattern", "too_wide"), KINDS)
def test_what_is_a_pattern(code: str, pattern: bool, too_wide: bool) -> None:
    """A star at an end or a question mark makes a pattern; one of nothing else is too wide."""
    assert (is_pattern(code), is_too_wide(code)) == (pattern, too_wide)


COVERED = [
    # pattern, a code in upper case, is it covered
    pytest.param("MK:*", "MK:0012", True, id="prefix"),
    pytest.param("MK:*", "MK:", True, id="nothing-behind"),
    pytest.param("mk:*", "MK:0012", True, id="pattern-in-lower-case"),
    pytest.param("MK:*", "XMK:0012", False, id="not-in-the-middle"),
    pytest.param("MK:*", "MK:\n1", True, id="line-end"),
    pytest.param("*704", "REJECTD*704", True, id="suffix"),
    pytest.param("*704", "704", True, id="suffix-alone"),
    pytest.param("*704", "7040", False, id="not-at-the-end"),
    pytest.param("*OUT*", "TIMEOUT7", True, id="anywhere"),
    pytest.param("10*", "10", True, id="number-alone"),
    pytest.param("10*", "10*5", True, id="number-and-more"),
    pytest.param("10*", "1044", False, id="another-number"),
    pytest.param("10*", "10.0.0.1", False, id="no-number-at-all"),
    pytest.param("-84*", "-8401", True, id="range-of-negative-numbers"),
    pytest.param("MB:1???", "MB:1044", True, id="places"),
    pytest.param("MB:1???", "MB:104", False, id="too-few-places"),
    pytest.param("MB:1???", "MB:10444", False, id="too-many-places"),
    pytest.param("MB:1???", "MB:1O44", False, id="a-letter-in-a-place"),
    pytest.param("MB:1???", "MB:1\u0664\u0664\u0664", False, id="arabic-digits-in-places"),
    pytest.param("CL??:*", "CL26:-37", True, id="places-and-star"),
    pytest.param("A.C*", "ABC", False, id="a-full-stop-is-itself"),
    pytest.param("A(*", "A(1", True, id="a-bracket-is-itself"),
]


@pytest.mark.parametrize(("pattern", "code", "covered"), COVERED)
def test_which_codes_a_pattern_covers(pattern: str, code: str, covered: bool) -> None:
    """A star is any text, a question mark one digit, everything else itself."""
    assert Patterns([(pattern, False, "value")]).covering(code) == (["value"] if covered else [])


def test_the_closest_pattern_comes_first() -> None:
    """More given characters are closer, then more taken places, then the order of the rows."""
    far_to_near = ["M*", "MK:*", "MK:0*", "MK:0???", "MK:00*", "*:0012", "MK:001?"]
    patterns = Patterns((pattern, False, pattern) for pattern in far_to_near)
    assert patterns.covering("MK:0012") == [
        "MK:001?",
        "MK:00*",
        "*:0012",
        "MK:0???",
        "MK:0*",
        "MK:*",
        "M*",
    ]
    assert Patterns([("A*", False, 1), ("*A", False, 2), ("A*", False, 3)]).covering("A") == [
        1,
        2,
        3,
    ]


@given(code=st.text(), literal=st.text(min_size=1))
def test_any_text_can_be_a_pattern(code: str, literal: str) -> None:
    """Whatever stands in a pattern, it covers a code that begins with it, and nothing raises."""
    inner = literal.strip("*").replace("?", "")
    patterns = Patterns([(f"{inner}*", False, "value")])
    assert patterns.covering(code) in ([], ["value"])
    more = "*" if inner.upper().isdigit() else ":"
    assert patterns.covering(f"{inner.upper()}{more}{code}") == ["value"]
