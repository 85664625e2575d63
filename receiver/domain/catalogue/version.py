"""The version of a catalogue: a digest of its rows as they have always been written for it.

Stores and exports name the version beside each verdict. It is to change when a row does, and not
when a class or a field of this program gets another name: so the names stand here as texts.
"""

from collections.abc import Iterable
from enum import Enum
from hashlib import sha256

from receiver.domain.catalogue.entries import CatalogueEntry, EntryTexts, Sibling, Siblings

_ENTRY = (
    "Entry(code=%r, origin=%r, scope=%r, category=%s, retry=%s, retry_after_s=%r, billable=%r, "
    "en=%s, zh=%s, source=%r, rank=%s, reason=%r)"
)
_TEXTS = "Words(meaning=%r, cause=%r, suggestion=%r)"
_SIBLING = "Sibling(family=%r, lowest=%r, highest=%r)"
_DIGITS = 12


def catalogue_version(entries: Iterable[CatalogueEntry], siblings: Siblings) -> str:
    """Return the version of a catalogue: 12 hexadecimal digits.

    Args:
        entries: its rows, in their order.
        siblings: the families in which the same number says the same.
    """
    rows = tuple(_Written(_write_entry(entry)) for entry in entries)
    families = [
        (family, tuple(_Written(_write_sibling(one)) for one in siblings[family]))
        for family in sorted(siblings)
    ]
    return sha256(repr((rows, families)).encode()).hexdigest()[:_DIGITS]


class _Written(str):
    """A text that stands in a tuple as it is, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _write_entry(one: CatalogueEntry) -> str:
    return _ENTRY % (
        *(one.code, one.origin, one.scope),
        *(_write_enum("Category", one.category), _write_enum("RetryClass", one.retry)),
        *(one.retry_after_s, one.billable, _write_texts(one.en), _write_texts(one.zh)),
        *(one.source, _write_enum("Rank", one.rank), one.reason),
    )


def _write_texts(texts: EntryTexts) -> str:
    return _TEXTS % (texts.meaning, texts.cause, texts.suggestion)


def _write_sibling(one: Sibling) -> str:
    return _SIBLING % (one.family, one.lowest, one.highest)


def _write_enum(name: str, member: Enum) -> str:
    return f"<{name}.{member.name}: {member.value!r}>"
