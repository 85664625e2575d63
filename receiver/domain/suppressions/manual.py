"""Manual suppressions in the journal: bytes <-> entry."""

from pydantic import BaseModel, ConfigDict

from receiver.domain.suppressions.suppression import (
    ScopedEntry,
    Source,
    SuppressionEntry,
    SuppressionScope,
)


class _Written(BaseModel):
    """A word without its time, which is the arrival of its entry."""

    # The text of an error goes into the quarantine, without the number that it is about.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    number: str
    channel: str
    application: str
    suppressed: bool
    by: str
    reason: str | None
    until: int | None
    overrides: bool


def write_word(said: ScopedEntry) -> bytes:
    """Write a word for the journal."""
    party, word = said.party, said.word
    written = _Written(
        number=party.number,
        channel=party.channel,
        application=party.application,
        suppressed=word.suppressed,
        by=word.source_id,
        reason=word.reason,
        until=word.until,
        overrides=word.overrides,
    )
    return written.model_dump_json().encode()


def read_word(body: bytes, decided_at: int) -> ScopedEntry:
    """Read a word from the journal.

    Args:
        body: as `write_word` made it.
        decided_at: microseconds.

    Raises:
        ValueError: it is not of that form.
    """
    written = _Written.model_validate_json(body)
    return ScopedEntry(
        SuppressionScope(written.number, written.channel, written.application),
        SuppressionEntry(
            suppressed=written.suppressed,
            decided_at=decided_at,
            source=Source.HAND,
            source_id=written.by,
            reason=written.reason,
            until=written.until,
            overrides=written.overrides,
        ),
    )
