"""Suppressions set and lifted by hand, as they stand in the journal: the bytes <-> the word."""

import json
from typing import Any

from receiver.domain.suppression import Party, Said, Source, Word


def write_word(said: Said) -> bytes:
    """Write a word for the journal; when it was said is the arrival of its entry."""
    party, word = said.party, said.word
    return json.dumps(
        {
            "number": party.number,
            "channel": party.channel,
            "application": party.application,
            "suppressed": word.suppressed,
            "by": word.source_id,
            "reason": word.reason,
            "until": word.until,
            "overrides": word.overrides,
        }
    ).encode()


def read_word(body: bytes, decided_at: int) -> Said:
    """Read a word from the journal.

    Args:
        body: as `write_word` made it.
        decided_at: microseconds.

    Raises:
        ValueError: it is not of that form.
    """
    given = json.loads(body)
    if not isinstance(given, dict):
        raise ValueError("A suppression is not a JSON object.")
    return Said(
        Party(_text(given, "number"), _text(given, "channel"), _text(given, "application")),
        Word(
            suppressed=_truth(given, "suppressed"),
            decided_at=decided_at,
            source=Source.HAND,
            source_id=_text(given, "by"),
            reason=_text(given, "reason"),
            until=_moment(given, "until"),
            overrides=_truth(given, "overrides"),
        ),
    )


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str):
        raise ValueError(f"`{name}` of a suppression is not text.")
    return value


def _truth(given: dict[str, Any], name: str) -> bool:
    value = given.get(name)
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` of a suppression is neither true nor false.")
    return value


def _moment(given: dict[str, Any], name: str) -> int | None:
    value = given.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError(f"`{name}` of a suppression is not a time.")
    return value
