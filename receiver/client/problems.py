"""Problem documents (RFC 9457) as text for people."""

from collections.abc import Mapping
from typing import Any

_STANDARD = frozenset(("type", "title", "status", "detail", "instance"))
_LINE_BY_LINE = frozenset(("problems", "rejected"))
_MOST_SHOWN = 20  # items of a member


def explain(document: Mapping[str, Any]) -> list[str]:
    """Return the lines of text that a problem document amounts to, its further members included.

    Args:
        document: as `application/problem+json` has it.

    Raises:
        KeyError: it has no `detail`, so that it is no problem document.
    """
    lines = [str(document["detail"])]
    for name, value in document.items():
        if name in _STANDARD:
            continue
        items = list(map(_item, value if isinstance(value, list) else [value]))
        shown, more = items[:_MOST_SHOWN], len(items) - _MOST_SHOWN
        if more > 0:
            shown.append(f"… and {more:,} more")
        lines += shown if name in _LINE_BY_LINE else [f"{name}: {', '.join(shown) or 'none'}"]
    return lines


def _item(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return str(value)
