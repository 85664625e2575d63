"""JSON documents in one line, without blanks."""

import json
from typing import Any


def write_json(value: Any) -> bytes:
    """Return a value as JSON."""
    # What came as a lone surrogate has no UTF-8 form; escaped it stays valid JSON.
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
