"""One row of a catalogue file: its fields, how each is written, and what is wrong with it."""

from collections.abc import Callable, Mapping
from typing import Any

from receiver.domain.catalogue.entries import (
    PLATFORM,
    SEND_API,
    CatalogueEntry,
    Category,
    EntryTexts,
    Rank,
    RetryClass,
)
from receiver.domain.catalogue.families import is_too_wide
from receiver.domain.storable import is_storable

LONGEST_TEXT = 160  # characters; a text is read at a glance
TEXTS = ("meaning", "cause", "suggestion")  # English; with `_zh` behind it Simplified Chinese
FIELDS = (
    "code",
    "origin",
    "scope",
    "category",
    "retry",
    "retry_after_s",
    "billable",
    *TEXTS,
    *(f"{name}_zh" for name in TEXTS),
    "source",
    "reason",
)
OPTIONAL = ("reason",)  # a file of whole rows may lack the column
_LONGEST_CODE = 64  # characters
_LONGEST_WAIT_S = 31_536_000  # a year
_MOST_DIGITS = 9  # of a number of seconds
_ORIGINS = (
    PLATFORM,
    "supplier",
    "generic",
    "carrier-mobile",
    "carrier-unicom",
    "carrier-telecom",
    "carrier-other",
    SEND_API,
)
_SCOPES = ("mainland", "international", "both")
# "investigate" says that no row was found, so no row can say it
_RETRY_CLASSES = tuple(retry for retry in RetryClass if retry is not RetryClass.INVESTIGATE)
_BILLABLE = {"yes": True, "no": False}

Values = dict[str, Any]


class FieldError(ValueError):
    """A field of a row cannot be used."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field


def read_field(name: str, text: str) -> Any:
    """Read one field as it is written in a file.

    Raises:
        FieldError: it cannot be used.
    """
    try:
        return _READERS[name](text)
    except ValueError as error:
        raise FieldError(name, str(error)) from None


def make_entry(values: Mapping[str, Any], rank: Rank) -> CatalogueEntry:
    """Return the entry of a row whose fields have all been read."""
    return CatalogueEntry(
        code=values["code"],
        origin=values["origin"],
        scope=values["scope"],
        category=values["category"],
        retry=values["retry"],
        retry_after_s=values["retry_after_s"],
        billable=values["billable"],
        en=EntryTexts(*(values[name] for name in TEXTS)),
        zh=EntryTexts(*(values[f"{name}_zh"] for name in TEXTS)),
        source=values["source"],
        rank=rank,
        reason=values["reason"],
    )


def values_of(entry: CatalogueEntry) -> Values:
    """Return the fields of an entry: the other way round."""
    own = (name for name in FIELDS if hasattr(entry, name))
    texts = {name: getattr(entry.en, name) for name in TEXTS}
    texts |= {f"{name}_zh": getattr(entry.zh, name) for name in TEXTS}
    return {name: getattr(entry, name) for name in own} | texts


def write_field(value: Any) -> str:
    """Write a field as `read_field` reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _text(text: str) -> str:
    if not text:
        raise ValueError("the field is empty")
    if text != text.strip():
        raise ValueError("the text begins or ends with white space")
    if not (text.isprintable() and is_storable(text)):
        raise ValueError("the text contains a line break or another control character")
    return text


def _code(text: str) -> str:
    if is_too_wide(_text(text)):
        raise ValueError(f"{text!r} would match every code")
    if len(text) > _LONGEST_CODE:
        raise ValueError(f"longer than {_LONGEST_CODE} characters")
    return text


def _sentence(text: str) -> str:
    if len(_text(text)) > LONGEST_TEXT:
        raise ValueError(f"longer than {LONGEST_TEXT} characters")
    return text


def _reason(text: str) -> str:
    return _sentence(text) if text else ""


def _one_of(allowed: tuple[str, ...]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if _text(text) not in allowed:
            raise ValueError(f"{text!r} is not one of {', '.join(allowed)}")
        return text

    return read


def _category(text: str) -> Category:
    return Category(_one_of(tuple(Category))(text))


def _retry(text: str) -> RetryClass:
    return RetryClass(_one_of(_RETRY_CLASSES)(text))


def _seconds(text: str) -> int | None:
    if text == "":
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    if not (is_number and 0 < int(text) <= _LONGEST_WAIT_S):
        raise ValueError(f"{text!r} is not an integer from 1 to {_LONGEST_WAIT_S} (seconds)")
    return int(text)


def _billable(text: str) -> bool | None:
    if text and text not in _BILLABLE:
        raise ValueError(f"{text!r} is not yes or no; leave the field empty if it depends")
    return _BILLABLE.get(text)


_READERS: Mapping[str, Callable[[str], Any]] = {
    "code": _code,
    "origin": _one_of(_ORIGINS),
    "scope": _one_of(_SCOPES),
    "category": _category,
    "retry": _retry,
    "retry_after_s": _seconds,
    "billable": _billable,
    **dict.fromkeys(TEXTS, _sentence),
    **dict.fromkeys((f"{name}_zh" for name in TEXTS), _sentence),
    "source": _text,
    "reason": _reason,
}
