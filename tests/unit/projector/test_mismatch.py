"""What is said about a journal and a store that do not fit together."""

from typing import Any

import pytest

from receiver.projector.mismatch import mismatch

FITTING: dict[str, Any] = {
    "known": 50,
    "others": 0,
    "oldest": 10,
    "oldest_at": 1_700_000_000_000_000,
    "newest": 90,
    "is_shared": False,
    "was_mended": False,
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({}, "", id="they fit"),
        pytest.param({"known": 90, "others": 1}, "", id="after a restored backup"),
        pytest.param({"known": None, "oldest": None, "newest": 0}, "", id="both are new"),
        pytest.param({"known": None, "oldest": 1}, "", id="a new store, a whole journal"),
        pytest.param({"known": 9}, "", id="the very next row"),
        pytest.param({"known": 0, "oldest": None, "newest": 0}, "", id="nothing yet"),
        pytest.param(
            {"known": None, "others": 2, "oldest": None, "newest": 0, "is_shared": True},
            "",
            id="a new node of a shared store",
        ),
        pytest.param(
            {"known": None, "others": 1, "oldest": None, "newest": 0},
            "journal file was lost",
            id="a new journal, an old store",
        ),
        pytest.param(
            {"known": None, "others": 1}, "filled from a different journal", id="strangers"
        ),
        pytest.param(
            {"known": None, "others": 1, "was_mended": True}, "was damaged", id="a mended journal"
        ),
        pytest.param({"known": 91}, "journal is older", id="an older journal"),
        pytest.param({"known": 5}, "only up to position 5", id="a gap between them"),
        pytest.param({"known": None}, "The store is empty", id="a new store, a pruned journal"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], said: str) -> None:
    """A pair that fits says nothing; any other names what happened."""
    found = mismatch(**{**FITTING, **changes})
    assert said in found
    assert bool(found) == bool(said)
