"""Which language a reader gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.catalogue.terms import CATEGORY_WORDS, RETRY_WORDS, Term
from receiver.domain.wording.languages import Language, negotiate, speaks
from tests.support.catalogues import is_chinese, is_english

TAGS = [
    pytest.param("en", "en", id="en"),
    pytest.param("en-GB", "en", id="region"),
    pytest.param("EN_us", "en", id="underscore-and-case"),
    pytest.param("zh", "zh", id="zh"),
    pytest.param("zh-CN", "zh", id="zh-CN"),
    pytest.param("zh-Hans", "zh", id="zh-Hans"),
    pytest.param("zh_Hans_CN.UTF-8", "zh", id="locale"),
    pytest.param("zh-TW", "zh", id="the-only-chinese-that-there-is"),
    pytest.param(" ZH ", "zh", id="blanks"),
    pytest.param("fr", None, id="fr"),
    pytest.param("zhx", None, id="longer-name"),
    pytest.param("e", None, id="shorter-name"),
    pytest.param("-zh", None, id="no-language"),
    pytest.param("*", None, id="star"),
    pytest.param("", None, id="empty"),
    pytest.param("中文", None, id="in-words"),
]


@pytest.mark.parametrize(("tag", "language"), TAGS)
def test_a_tag_is_served_by_its_language(tag: str, language: str | None) -> None:
    """The first part of a tag decides, in any writing; other languages are not spoken."""
    assert speaks(tag) == language


HEADERS = [
    # header, language; None where the choice is left to us
    pytest.param("zh-CN", "zh", id="zh-CN"),
    pytest.param("zh-Hans", "zh", id="zh-Hans"),
    pytest.param("zh-TW", "zh", id="zh-TW"),
    pytest.param("zh-CN,zh;q=0.9,en;q=0.8", "zh", id="browser-in-china"),
    pytest.param("en-US,en;q=0.9,zh-CN;q=0.8", "en", id="browser-elsewhere"),
    pytest.param("en;q=0.3, zh;q=0.7", "zh", id="quality-over-place"),
    pytest.param("en;q=0.7, zh;q=0.7", "en", id="place-among-equals"),
    pytest.param("zh;q=0.001", "zh", id="little-quality"),
    pytest.param("zh;Q=0.4 , en ; q = 0.6", "en", id="blanks-and-case"),
    pytest.param("zh;q=0, en;q=0.1", "en", id="zero-means-never"),
    pytest.param("fr, zh;q=0.5", "zh", id="unsupported-passed-over"),
    pytest.param("fr, de;q=0.5", "en", id="all-unsupported"),
    pytest.param("fr", "en", id="unsupported"),
    pytest.param("fr, *;q=0.1", None, id="star-behind-unsupported"),
    pytest.param("*", None, id="star"),
    pytest.param("*, zh;q=0.5", None, id="star-first"),
    pytest.param("zh, *;q=0.5", "zh", id="star-last"),
    pytest.param("zh;q=0", None, id="only-what-is-not-wanted"),
    pytest.param("", None, id="empty"),
    pytest.param(" , ,", None, id="only-commas"),
    pytest.param("zh;q=high, en;q=0.1", "en", id="quality-that-is-no-number"),
    pytest.param("zh;q=2, en;q=0.1", "en", id="quality-above-one"),
    pytest.param("zh;q=-1, en;q=0.1", "en", id="quality-below-zero"),
    pytest.param("zh;q=nan, en;q=0.1", "en", id="quality-not-a-number"),
    pytest.param("zh;q=", None, id="quality-missing"),
    pytest.param("zh;level=1", "zh", id="another-parameter"),
    pytest.param("\x00\ufffd;;;=,==", "en", id="garbage"),
    pytest.param("fr," * 30 + "zh", "en", id="too-many-ranges"),
    pytest.param("x" * 100_000, "en", id="very-long"),
]


@pytest.mark.parametrize(("header", "language"), HEADERS)
def test_the_header_chooses(header: str, language: str | None) -> None:
    """The best range that is spoken decides; English where none of those asked for is."""
    assert negotiate(header) == language


@given(header=st.text() | st.text("zhen-*;q=0.1, "))
def test_any_header_is_understood_somehow(header: str) -> None:
    """No header raises, and blanks around it change nothing."""
    assert negotiate(header) in (None, *Language)
    assert negotiate(f" {header}\t") == negotiate(header)


@pytest.mark.parametrize(("language", "tag"), [("en", "en"), ("zh", "zh-CN")])
def test_a_language_names_its_texts(language: str, tag: str) -> None:
    """The tag of the texts is told, and leads back to the language."""
    assert Language(language).tag == tag
    assert speaks(tag) == language


@pytest.mark.parametrize(
    "terms",
    [
        pytest.param([CATEGORY_WORDS[member] for member in Category], id="categories"),
        pytest.param([RETRY_WORDS[member] for member in RetryClass], id="retry-classes"),
    ],
)
def test_every_term_is_explained_in_both_languages(terms: list[Term]) -> None:
    """Categories and retry classes have words in each language, none left out, none twice."""
    assert [term.en for term in terms if not is_english(term.in_(Language.EN))] == []
    assert [term.zh for term in terms if not is_chinese(term.in_(Language.ZH))] == []
    assert len({term.en for term in terms}) == len({term.zh for term in terms}) == len(terms)
