"""JSON documents in one line."""

import json
from typing import Any

import pytest

from receiver.domain.compact_json import write_json


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ({"a": [1, None]}, b'{"a":[1,null]}'),
        ("退订", '"退订"'.encode()),
        pytest.param("退\ud800", rb'"\u9000\ud800"', id="a lone surrogate"),
    ],
)
def test_write_json(value: Any, written: bytes) -> None:
    """A value is written without blanks, as UTF-8 where it has that form, and can be read again."""
    assert write_json(value) == written
    assert json.loads(written) == value
