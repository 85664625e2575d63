"""Writing pushes as the platform does."""

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def form(**fields: str) -> bytes:
    """Write a form as the platform does; `from_` stands for `from`."""
    return "&".join(
        f"{name.rstrip('_')}={quote(value, safe='')}" for name, value in fields.items()
    ).encode()


def batch(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Write a batch of status reports."""
    return json.dumps({"statusReportList": list(items)}, separators=(",", ":")).encode()
