"""What the tests of the catalogue share: rows made for them, and what makes a text Chinese."""

import re
from dataclasses import replace

from receiver.domain.catalogue.entries import (
    CatalogueEntry,
    Category,
    EntryTexts,
    Rank,
    RetryClass,
    Sibling,
)

_QUOTED = re.compile(r"`[^`]*`")  # names of fields and what stands in them
# Names in capitals may stand side by side ("3GPP TS 23.040"), words may not.
_LATIN_WORDS = re.compile(r"[A-Za-z]*[a-z][\s,]+[A-Za-z]|[A-Za-z][\s,]+[A-Za-z]*[a-z]")
_ENGLISH_SIGNS = re.compile(r"[,;?!]")
_HAN = re.compile("[\u4e00-\u9fff]")


def row(
    code: str, category: str = "routing", retry: str = "retry-later", **changes: object
) -> CatalogueEntry:
    """Make a row of which the texts tell nothing but the code."""
    made = CatalogueEntry(
        code=code,
        origin="supplier",
        scope="both",
        category=Category(category),
        retry=RetryClass(retry),
        retry_after_s=None,
        billable=None,
        en=EntryTexts(f"Meaning of {code}", "Cause.", "Suggest this."),
        zh=EntryTexts(f"{code}的含义", "原因。", "建议。"),
        source="test",
        rank=Rank.OFFICIAL,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # a test names the fields it varies


def is_chinese(text: str) -> bool:
    """Tell whether a text is Simplified Chinese, but for single names and what is quoted."""
    bare = _QUOTED.sub("", text)
    if not _HAN.search(bare) or _LATIN_WORDS.search(bare) or _ENGLISH_SIGNS.search(bare):
        return False
    try:
        bare.encode("gb2312")  # which has no traditional characters
    except UnicodeEncodeError:
        return False
    return True


def is_english(text: str) -> bool:
    """Tell whether a text is written with nothing but plain ASCII letters and signs."""
    return text.isascii() and any(character.isalpha() for character in text)


def shared(*families: str) -> tuple[Sibling, ...]:
    """Make siblings that share all their numbers."""
    return tuple(Sibling(family, 0, 9999) for family in families)
