"""Problem documents on the command line: nothing that they say is lost, in words of its options."""

from typing import Any

import httpx
import pytest

from receiver.cli.api_client import detail_of
from receiver.client.problems import explain

AMBIGUOUS = {
    "type": "about:blank",
    "title": "Ambiguous",
    "status": 409,
    "detail": "Several applications have a message with this id. Choose one with `application`.",
    "applications": ["bank", "shop"],
}


@pytest.mark.parametrize(
    ("status", "document", "text"),
    [
        pytest.param(
            409,
            AMBIGUOUS,
            "Several applications have a message with this id. Choose one with --application.\n"
            "applications: bank, shop",
            id="applications",
        ),
        pytest.param(
            400,
            {"detail": "`since` must be a time.", "unknown": ["a"], "known": []},
            "--since must be a time.\nunknown: a\nknown: none",
            id="an option of its own",
        ),
        pytest.param(
            400,
            {"detail": "`to` is no number."},
            "NUMBER is no number.",
            id="an argument",
        ),
        pytest.param(
            400,
            {"detail": "No.", "rejected": [{"index": 3, "reason": "too long"}], "problems": ["x"]},
            "No.\nindex 3, reason too long\nx",
            id="lists",
        ),
        pytest.param(
            401,
            {"detail": "No key."},
            "No key.\nPass a valid key with --api-key.",
            id="key",
        ),
        pytest.param(502, {}, "HTTP 502", id="no problem document"),
        pytest.param(502, ["detail"], "HTTP 502", id="another document"),
    ],
)  # fmt: skip
def test_a_problem_is_told_in_words_of_the_command_line(
    status: int, document: Any, text: str
) -> None:
    """The detail and every further member, parameters by the names of their options."""
    answer = httpx.Response(status, json=document)
    assert detail_of(answer, {"since": "--since", "to": "NUMBER"}) == text


def test_a_long_member_is_cut_and_says_so() -> None:
    """A person sees the first of many things, and how many more there are."""
    lines = explain({"detail": "No.", "known": list(range(30))})
    assert lines[1] == f"known: {', '.join(map(str, range(20)))}, … and 10 more"
