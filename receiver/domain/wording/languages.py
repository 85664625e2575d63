"""The languages of texts for people."""

from dataclasses import dataclass
from enum import StrEnum


class Language(StrEnum):
    """A language of the catalogue's texts."""

    EN = "en"
    ZH = "zh"  # Simplified Chinese

    @property
    def tag(self) -> str:
        """The language tag of the texts (RFC 5646)."""
        return "zh-CN" if self is Language.ZH else "en"


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence in each language."""

    en: str
    zh: str

    def in_(self, language: Language) -> str:
        """Return the sentence in a language."""
        return self.zh if language is Language.ZH else self.en

    def filled(self, **values: object) -> "Spoken":
        """Put values in the sentence's places, which are the same in each language."""
        return Spoken(self.en.format(**values), self.zh.format(**values))


FALLBACK = Language.EN  # where somebody asks only for languages that there are not
_MOST_RANGES = 20  # of a header; a browser sends a handful


def speaks(tag: str) -> Language | None:
    """Return the language that serves a tag such as `zh-CN`, `zh_Hans` or `en-GB`; None if none."""
    primary = tag.strip().replace("_", "-").partition("-")[0].casefold()
    try:
        return Language(primary)
    except ValueError:
        return None


def negotiate(accept_language: str) -> Language | None:
    """Choose by an `Accept-Language` header (RFC 9110); None when it leaves the choice to us.

    A range that we do not speak is passed over; when all are, the answer is English.
    """
    ranges = []
    for place, item in enumerate(accept_language.split(",")[:_MOST_RANGES]):
        tag, _, parameter = item.partition(";")
        quality = _quality(parameter)
        if tag.strip() and quality > 0:
            ranges.append((-quality, place, tag.strip()))
    for _, _, tag in sorted(ranges):
        if tag == "*":
            return None
        language = speaks(tag)
        if language is not None:
            return language
    return FALLBACK if ranges else None


def _quality(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip().casefold() != "q":
        return 1.0
    try:
        quality = float(value)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0
