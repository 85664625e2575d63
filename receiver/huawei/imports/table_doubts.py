"""Rows of a table that are not sends: totals, notes, units, headers."""

from collections.abc import Sequence
from statistics import median_low

from receiver.domain.inputs import Send
from receiver.huawei.imports.cells import Cell, Spoilt, unwrapped
from receiver.huawei.imports.columns import Cells, Columns
from receiver.huawei.imports.doubts import (
    AHEAD,
    LASTING,
    NO_SEND,
    UNLIKE,
    Likeness,
    doubt_of_id,
    doubt_of_send,
    is_of_platform,
    is_total,
)
from receiver.huawei.imports.headers import ID
from receiver.huawei.imports.rows import ExportError, How

_FEWEST_FOR_A_NOTE = 3  # filled cells of most rows: with fewer, a row with one says nothing

_REPEATED = "The row repeats the header and is not a send."


class RowDoubts:
    """What speaks against rows of a table, by its first ones."""

    def __init__(self, columns: Columns, first: Sequence[Cells], how: How) -> None:
        self._columns = columns
        self._latest = how.now + AHEAD
        self._ids = Likeness()
        self._lead = columns.lead
        at = columns.used[ID]
        for cells in first:
            cell = cells[at] if at < len(cells) else None
            if not _is_empty(cell):
                self._ids.see(0, unwrapped(cell) if isinstance(cell, str) else str(cell))
        filled = [count for count in map(self._filled, first) if count]
        self._usual = median_low(filled) if filled else 0

    def of(self, line: int, cells: Cells, send: Send | None) -> str | None:
        """Return why a row is no send; None when nothing speaks against it.

        Args:
            line: where it stands.
            cells: it.
            send: what was read from it; None when that failed.

        Raises:
            ExportError: another table begins with it.
        """
        text = "" if send is None else send.sms_msg_id
        reason = None
        if not is_of_platform(text):
            reason = self._of_row(line, cells, text)
            if send is not None:
                reason = reason or doubt_of_id(text) or self._of_unlike(cells, text)
        if reason is None and send is not None:
            reason = doubt_of_send(send, self._latest)
        return reason

    def _of_row(self, line: int, cells: Cells, text: str) -> str | None:
        if not any(sign.isdigit() for sign in text):  # as in a header
            try:
                if self._columns.is_repeated_by(cells):
                    return _REPEATED
            except ExportError as error:
                raise ExportError(f"Line {line}: {error}") from None
        first = next((cell for cell in cells[self._lead :] if not _is_empty(cell)), None)
        return NO_SEND if is_total(first) or is_total(text) else self._told_before(cells)

    def _told_before(self, cells: Cells) -> str | None:
        """Return why a reject was no send among the rows that it was taken from."""
        told = cells[: self._lead]
        return next((reason for reason in LASTING if reason in told), None)

    def _of_unlike(self, cells: Cells, text: str) -> str | None:
        if self._ids.fits(text):
            return None
        if self._ids.is_platform:
            return UNLIKE
        is_note = self._usual >= _FEWEST_FOR_A_NOTE and 2 * self._filled(cells) <= self._usual
        return NO_SEND if is_note else None

    def _filled(self, cells: Cells) -> int:
        return sum(not _is_empty(cell) for cell in cells[self._lead :])


def is_blank(cells: Cells) -> bool:
    """Return whether a row has nothing in it."""
    return all(map(_is_empty, cells))


def _is_empty(cell: Cell) -> bool:
    return cell is None or cell is Spoilt.MERGED or (isinstance(cell, str) and not cell.strip())
