"""Column types that validate stored values, so that a flipped bit is detected."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Dialect,
    Integer,
    MetaData,
    SmallInteger,
    Text,
    TypeDecorator,
)

from receiver.domain.times import FIRST

_Read = Callable[[Any], Any]
_MISREAD = (ValueError, TypeError, LookupError, AttributeError, RecursionError)


class UnreadableRowError(Exception):
    """A row holds an invalid value; the text names the column, never the value."""


class ReadingContext:
    """A context that takes whatever goes wrong with a stored value for its damage.

    Raises:
        UnreadableRowError: it cannot be read.
    """

    __slots__ = ("_place",)

    def __init__(self, place: str) -> None:
        """Note table and column; entered for each message, so it is no generator."""
        self._place = place

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Translate."""
        if kind is not None and issubclass(kind, _MISREAD):
            raise unreadable(self._place) from None


def unreadable(place: str) -> UnreadableRowError:
    """Return the error for a value that cannot be read."""
    return UnreadableRowError(f"the column `{place}` of a row contains an invalid value")


class _Checked(TypeDecorator[Any]):
    """A type whose values are checked as the driver gives them; NULL passes."""

    impl: Any = Text
    cache_ok = True
    place = ""  # table and column, for the error

    def result_processor(self, dialect: Dialect, coltype: object) -> _Read:
        """Return what reads a value."""
        raise NotImplementedError


class _OfType(_Checked):
    """A value of one type of Python."""

    cache_ok = True
    kind: type = str

    def result_processor(self, dialect: Dialect, coltype: object) -> _Read:  # noqa: ARG002
        place, kind = self.place, self.kind

        def read(value: Any) -> Any:
            if value is None or type(value) is kind:
                return value
            raise unreadable(place)

        return read


class StoredText(_OfType):
    """A text."""

    cache_ok = True


class StoredSmall(_OfType):
    """A whole number of 16 bits."""

    impl = SmallInteger
    cache_ok = True
    kind = int


class StoredInteger(_OfType):
    """A whole number of 32 bits."""

    impl = Integer
    cache_ok = True
    kind = int


class StoredTerm(_Checked):
    """One of some words."""

    cache_ok = True

    def __init__(self, terms: type[StrEnum], *, may_be_empty: bool = False) -> None:
        """Note the words.

        Args:
            terms: the words.
            may_be_empty: whether "" stands for none of them.
        """
        super().__init__()
        self.terms = terms
        self.may_be_empty = may_be_empty

    def result_processor(self, dialect: Dialect, coltype: object) -> _Read:  # noqa: ARG002, D102
        known = {*(term.value for term in self.terms), None, *([""] if self.may_be_empty else [])}
        place = self.place

        def read(value: Any) -> Any:
            if value in known:
                return value
            raise unreadable(place)

        return read


class StoredInstant(_Checked):
    """Microseconds since the epoch, UTC, from the first instant that can be written on."""

    impl = BigInteger
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> _Read:  # noqa: ARG002, D102
        place = self.place

        def read(value: Any) -> Any:
            if value is None or (type(value) is int and value >= FIRST):
                return value
            raise unreadable(place)

        return read


class StoredFlag(_Checked):
    """A truth value; SQLite has 0 and 1."""

    impl = Boolean
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> _Read:  # noqa: ARG002, D102
        place = self.place

        def read(value: Any) -> Any:
            if value is None:
                return None
            if type(value) in (int, bool) and value in (0, 1):
                return bool(value)
            raise unreadable(place)

        return read


def name_columns(metadata: MetaData) -> None:
    """Let each checked column say its name in errors."""
    for table in metadata.tables.values():
        for column in table.columns:
            if isinstance(column.type, _Checked):
                column.type.place = f"{table.name}.{column.name}"
