"""Signs that a row is not a send: an invalid id, several numbers, an impossible time.

Totals, notes, units and repeated headers stand in tables where sends stand. Nothing of them may
become a message, and no row is dropped without a word.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from statistics import median_low

from receiver.domain import times
from receiver.domain.inputs import Send
from receiver.domain.numbers import may_stand_for_number
from receiver.huawei.imports.cells import Cell

# Before any SMS of the platform; the zeros of clocks and spreadsheets (1900, 1970, 2000) are too.
EARLIEST = times.parse("2010-01-01T00:00:00Z") or 0
# Clocks differ by minutes; a wrong time zone moves a time by half an hour or more.
AHEAD = 15 * 60 * times.SECOND
LEARNT_FROM = 200  # ids
NO_SEND = "The row is a total or a note, not a send."
UNLIKE = (
    "`sms_msg_id` does not have the form of the other rows: a UUID, `_` and a number. "
    "If it is a message id, import the row in a separate file, or clear its `reason` in "
    "the rejects file."
)
# They follow from the rows around, which the file of rejects does not have.
LASTING = (NO_SEND, UNLIKE)
_LINES_KEPT = 20  # of ids that are unlike the others

# As all samples of the documentation have it: a UUID and a counter, up to 50 characters.
_OF_PLATFORM = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}_[0-9]{1,13}", re.ASCII | re.IGNORECASE
)
_PLATFORM = "platform"  # the form of these
_WORD = re.compile(r"[0-9A-Za-z]+")
_DIGIT = re.compile(r"[0-9]")
_NOT_ONE_ID = re.compile(r"\A=|[^!-~]|[,;|\"]")
_FRACTION = re.compile(r"[0-9]+\.[0-9]+")
_PLACEHOLDERS = frozenset(("na", "n/a", "nan", "nil", "none", "null", "undefined"))
_TOTAL = re.compile(
    r"(?:(?:grand|overall)?(?:sub)?totals?|sum|summary|count"
    r"|(?:合|总|總|小|共|累)[计計]|[总總](?:数|數|条数|條數|量)|[汇匯][总總])"
    r"(?:rows?|records?|messages?|sms)?(?:[:=]|\([^)]*\))*[0-9.,]*[条條笔筆行]?"
    r"|[共总總][0-9.,]+[条條笔筆行]?.*"
    r"|[0-9.,]+(?:rows|records|messages)",
    re.DOTALL,
)
_MOST_DIGITS = 15  # of E.164
_PLAIN_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)
_FIGURES = re.compile(r"[0-9*]+")
_WHOLE = 10  # digits in one piece that are a number in full, but for a country code in front
_PREFIX = re.compile(r"(?:00)?[1-9][0-9]{0,2}0?|00?")
_NOTE = re.compile(r"[(（\[][0-9]{1,2}[)）\]]\s*\Z")  # as in `10086 (2)`
# Channel numbers begin alike; one that is written in groups has others behind the first.
_CHANNELS = re.compile(
    r"([0-9]{2})[0-9]{2,}(?:[\s-]+\1[0-9]{2,})+|[0-9]+(?:\s*/\s*[0-9]+)+", re.ASCII
)
_SAYS_SOMETHING = re.compile(r"[0-9A-Za-z]")
_SEVERAL = re.compile(r"[,;，；、|\r\n]|[0-9*]{7,}[^0-9*]+[0-9*]{7,}", re.ASCII)


def doubt_of_send(send: Send, latest: int) -> str | None:
    """Return what speaks against the fields of a send; None when nothing does.

    Args:
        send: it.
        latest: a time of sending after this lies in the future.
    """
    sent_at = send.sent_at
    reason = _doubt_of_number(send.to or "") or _doubt_of_sender(send.sender or "")
    if reason is not None:
        return reason
    if sent_at is not None and not EARLIEST <= sent_at <= latest:
        if sent_at > latest:
            return (
                "`sent_at` is in the future. Check the time zone (--timezone) and the "
                "clock of this machine."
            )
        return "`sent_at` is before 2010, earlier than the platform exists."
    return None


def _doubt_of_number(to: str) -> str | None:
    if not to or _PLAIN_NUMBER.fullmatch(to):
        return None
    if _SEVERAL.search(to) or _has_more_than_one(to):
        return (
            "`to` contains several numbers or a note. Write one row per number, each with "
            "its own id."
        )
    digits = "".join(_FIGURES.findall(to)).removeprefix("00")
    if len(digits) > _MOST_DIGITS or not may_stand_for_number(to):
        return "`to` is not a phone number. Omit the column with `--map to=`."
    return None


def _has_more_than_one(to: str) -> bool:
    """Return whether more than a country code stands beside a number in full, or a note at the end.

    Numbers that are written in groups have no such long piece.
    """
    pieces = _FIGURES.findall(to)
    whole = next((at for at, piece in enumerate(pieces) if len(piece) >= _WHOLE), None)
    if whole is None or len(pieces) == 1:
        return _NOTE.search(to) is not None
    before = "".join(pieces[:whole])
    return whole < len(pieces) - 1 or _PREFIX.fullmatch(before) is None


def _doubt_of_sender(sender: str) -> str | None:
    if not sender or (sender.isascii() and sender.isdigit()):  # nearly always
        return None
    if _SEVERAL.search(sender) or _CHANNELS.fullmatch(sender):
        return "`from` contains several values. Write one."
    if _SAYS_SOMETHING.search(sender) is None:
        return "`from` is not a channel number or sender. Omit the column with `--map from=`."
    return None


def is_total(cell: Cell) -> bool:
    """Return whether a cell says that its row sums up others."""
    if not isinstance(cell, str):
        return False
    plain = unicodedata.normalize("NFKC", cell).casefold()
    return _TOTAL.fullmatch("".join(plain.split())) is not None


def doubt_of_id(text: str) -> str | None:
    """Return why a text cannot be the id of one message; None when it may be one."""
    if _FRACTION.fullmatch(text):
        return "`sms_msg_id` is a number with a fraction. Format the column as text."
    if _NOT_ONE_ID.search(text):
        return (
            "`sms_msg_id` contains several values, a formula, or characters that are "
            "invalid in an id."
        )
    if _WORD.search(text) is None or text.casefold() in _PLACEHOLDERS:
        return "`sms_msg_id` is a placeholder, not an id."
    return None


def is_of_platform(text: str) -> bool:
    """Return whether an id has the form of the platform's."""
    return _OF_PLATFORM.fullmatch(text) is not None


class Likeness:
    """How the ids of a file are written, as most of the first of them are.

    Attributes:
        count: how many were unlike the others.
        lines: where the first of these stand.
    """

    def __init__(self) -> None:
        self._first: list[tuple[int, str]] = []
        self._learnt = False
        self._form: str | None = None
        self._length = 0  # of most
        self._prevails = False
        self._count = 0
        self._lines: list[int] = []

    def see(self, line: int, text: str) -> None:
        """Take the next id of the file."""
        if self._learnt:
            self._judge(line, text)
            return
        self._first.append((line, text))
        if len(self._first) == LEARNT_FROM:
            self._learn()

    @property
    def count(self) -> int:
        """How many ids are unlike the others."""
        self._learn()
        return self._count

    @property
    def lines(self) -> Sequence[int]:
        """Where the first of them stand."""
        self._learn()
        return self._lines

    @property
    def is_platform(self) -> bool:
        """Whether most ids have the form of the platform's."""
        self._learn()
        return self._prevails and self._form == _PLATFORM

    def fits(self, text: str) -> bool:
        """Return whether an id is written as most are; any is where no form prevails."""
        self._learn()
        if self._form is None:
            return True
        if _form(text) != self._form:
            return False
        return self._length <= 2 * len(text) and len(text) <= 2 * self._length

    def _learn(self) -> None:
        if self._learnt or not self._first:
            return
        self._learnt = True
        forms = Counter(_form(text) for _, text in self._first)
        ((form, many),) = forms.most_common(1)
        self._prevails = 2 * many > len(self._first)
        if not self._prevails and _PLATFORM in forms:
            form = _PLATFORM  # whatever else there is, these are ids
        if self._prevails or form == _PLATFORM:
            lengths = [len(text) for _, text in self._first if _form(text) == form]
            self._form, self._length = form, median_low(lengths)
        for line, text in self._first:
            self._judge(line, text)

    def _judge(self, line: int, text: str) -> None:
        if not self.fits(text):
            self._count += 1
            if len(self._lines) < _LINES_KEPT:
                self._lines.append(line)


def _form(text: str) -> str:
    if _OF_PLATFORM.fullmatch(text):
        return _PLATFORM
    if text.isdigit():
        return "digits"
    figures = "" if _DIGIT.search(text) else "letters "
    return figures + _WORD.sub("w", text)
