"""Members of JSON objects and fields of forms given more than once: the last one counts.

Where all of them say the same nothing is lost. Where they differ, somebody has to be told.
"""

import re
from typing import Any

_PLAIN = re.compile(r"[A-Za-z_]{1,40}")

Pairs = list[tuple[str, Any]]


class RepeatedError(ValueError):
    """A member of an object is given more than once, with different values."""


def is_plain(name: str) -> bool:
    """Return whether a name is one of a field, and not perhaps a person's number."""
    return _PLAIN.fullmatch(name) is not None


def repeated(pairs: Pairs) -> set[str]:
    """Return the names that are given more than once with different values."""
    last = dict(pairs)
    return {name for name, value in pairs if last[name] != value}


def single(pairs: Pairs) -> dict[str, Any]:
    """Return an object, as an `object_pairs_hook` does.

    Raises:
        RepeatedError: the text names a member that is given with different values.
    """
    made = dict(pairs)
    names = repeated(pairs) if len(made) != len(pairs) else None
    if names:
        plain = sorted(filter(is_plain, names))
        what = f"`{plain[0]}`" if plain else "A member of an object"
        raise RepeatedError(f"{what} is given more than once with different values. Give it once.")
    return made
