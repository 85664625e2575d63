"""The write-ahead log, read frame by frame before SQLite opens it.

SQLite takes a log up to its first frame with a wrong checksum, and silently forgets what stands
behind. That is right after a loss of power, when the last transaction is torn, and wrong when a
frame in the middle was damaged. Each frame keeps the sum over all before it, so those behind a
damaged one can be checked all the same, and a single wrong bit can be found and corrected. The
first frame tells what the head was, for its sums go on from the head's.

The format: https://www.sqlite.org/fileformat2.html#walformat.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product

from receiver.journal.pages import PAGE_SIZES, USUAL_PAGE_SIZE
from receiver.journal.wal_sums import Sums, add_sums, bits_apart, one_bit_apart, subtract_sums

_HEADER, _FRAME = 32, 24  # bytes
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # of the words that are summed
_ORDERS = tuple(_MAGIC.values())
_VERSION = 3_007_000
# The usual one first: the first that fits is taken.
_SIZES = sorted(PAGE_SIZES, key=lambda size: (size != USUAL_PAGE_SIZE, size))
_WORD = 1 << 32
_MOST_PAGES = 1 << 24  # 64 GiB; no page of ours has a higher number, and what is no frame often has
_MOST_CORRECTIONS = 64  # frames: each costs some 50 ms


@dataclass(slots=True)
class Log:
    """What a write-ahead log holds.

    Attributes:
        data: the whole file, with what could be corrected.
        corrected: how many wrong bits were put right.
        has_head: its head is sound, or could be corrected or rebuilt.
        is_rebuilt: the head was made from the frames.
        wrong: numbers of the frames (from 0) that are damaged or torn.
        commits: numbers of the good frames that end a transaction.
        count: frames of this generation.
        synced: frames that are known to be committed whatever stands in them.
    """

    data: bytearray
    page_size: int = USUAL_PAGE_SIZE
    corrected: int = 0
    has_head: bool = False
    is_rebuilt: bool = False
    wrong: list[int] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    count: int = 0
    synced: int = 0

    @property
    def salts(self) -> bytes:
        """What tells the frames of this generation from older ones."""
        return bytes(self.data[16:24])

    @property
    def end(self) -> int:
        """How many frames are committed, the damaged ones among them."""
        return max(self.commits[-1] + 1 if self.commits else 0, self.synced)

    @property
    def applied(self) -> int:
        """How many frames SQLite takes: up to the last commit before the first damaged one."""
        sound = self.wrong[0] if self.wrong else self.count
        return max((one + 1 for one in self.commits if one < sound), default=0)

    @property
    def commits_behind(self) -> list[int]:
        """Transactions that end behind those that SQLite takes."""
        applied = self.applied
        return [one for one in self.commits if one >= applied]

    @property
    def was_synced(self) -> bool:
        """Whether the damaged transaction was durable: another one began after it."""
        behind = self.commits_behind
        return self.applied < self.synced or (bool(behind) and behind[0] < self.count - 1)

    def pages(self, first: int = 0) -> dict[int, bytes]:
        """Return the newest version of each page in good frames from a number on, if committed."""
        found: dict[int, bytes] = {}
        bad = set(self.wrong)
        for number in range(first, self.end):
            if number not in bad:
                at = self.frame_at(number)
                (page_no,) = struct.unpack_from(">I", self.data, at)
                found[page_no] = bytes(self.data[at + _FRAME : at + _FRAME + self.page_size])
        return found

    def damaged_pages(self) -> list[bytes]:
        """Return the pages of damaged frames that were committed, unchanged."""
        ats = [self.frame_at(number) + _FRAME for number in self.wrong if number < self.end]
        return [bytes(self.data[at : at + self.page_size]) for at in ats]

    def frame_at(self, number: int) -> int:
        """Return where in the file a frame begins."""
        return _HEADER + number * (_FRAME + self.page_size)


def read_log(data: bytes) -> Log:
    """Check every frame of a write-ahead log, and correct what is one bit away from right.

    Args:
        data: the file, of any content.
    """
    log = Log(bytearray(data))
    if len(data) < _HEADER:
        return log
    order = _read_head(log)
    log.has_head = bool(order)
    if not order:
        return log
    (log.page_size,) = struct.unpack_from(">I", log.data, 8)
    log.count = _count_frames(log)
    base: Sums = struct.unpack_from(">II", log.data, 24)
    for number in range(log.count):
        if not _check(log, number, base, order):
            log.wrong.append(number)
        elif struct.unpack_from(">I", log.data, log.frame_at(number) + 4)[0]:
            log.commits.append(number)
        base = _stored(log, number)
    return log


def _read_head(log: Log) -> str:
    """Check the file's head, correct or rebuild it when possible.

    Returns:
        the order of the bytes in a word; "" when nothing tells what the head was.
    """
    for order in _ORDERS:
        head = log.data[:_HEADER]
        magic, version, size = struct.unpack_from(">3I", head)
        is_ours = (_MAGIC.get(magic), version) == (order, _VERSION) and size in PAGE_SIZES
        if is_ours and add_sums(_head_words(head, order), (0, 0)) == _sums_at(head, 24):
            return order
    if len(log.data) < _HEADER + _FRAME:
        return ""
    first_salts = _sums_at(log.data, _HEADER + 8)
    heads = sorted(
        _possible_heads(log), key=lambda one: bits_apart(_sums_at(one[0], 16), first_salts)
    )
    for head, order in heads:
        log.page_size = struct.unpack_from(">I", head, 8)[0]
        # The first frame tells which of them it is, for its own sums go on from the head's.
        if _holds(log, 0) and _sum_frame(log, 0, _sums_at(head, 24), order) == _stored(log, 0):
            break
    else:
        found = heads[0] if heads else _rebuild_head(log)
        if found is None:
            return ""
        head, order = found
        log.is_rebuilt = not heads
    log.corrected += not log.is_rebuilt
    log.data[:_HEADER] = head
    return order


def _rebuild_head(log: Log) -> tuple[bytearray, str] | None:
    """Return a head that the frames fit; the first ones are of the newest generation."""
    layouts = list(product(_SIZES, _ORDERS))
    for log.page_size, order in layouts:
        if (head := _head_before_first(log, order)) is not None:
            return head, order
    for log.page_size, order in layouts:
        number = 0
        while _holds(log, number + 1):
            at, following = log.frame_at(number), log.frame_at(number + 1)
            if (
                log.data[at + 8 : at + 16] == log.data[following + 8 : following + 16]
                and _is_page(log, number)
                and _sum_frame(log, number + 1, _stored(log, number), order)
                == _stored(log, number + 1)
            ):
                return _make_head(log, order, 0, log.data[at + 8 : at + 16]), order
            number += 1
    return None


def _head_before_first(log: Log, order: str) -> bytearray | None:
    """Return the head that the sums of the first frame go on from, None if there can be none."""
    if not _holds(log, 0) or not _is_page(log, 0):
        return None
    salts = log.data[_HEADER + 8 : _HEADER + 16]
    wanted = subtract_sums(_words(log, 0, order), _stored(log, 0))
    found = _sums_at(_make_head(log, order, 0, salts), 24)
    # All but the number of checkpoints is known. It counts once in the first sum and twice in the
    # second, so the one says what it is and the other proves it.
    checkpoints = (wanted[0] - found[0]) % _WORD
    if (wanted[1] - found[1] - 2 * checkpoints) % _WORD:
        return None
    (number,) = struct.unpack(">I", struct.pack(f"{order}I", checkpoints))
    return _make_head(log, order, number, salts)


def _make_head(log: Log, order: str, checkpoints: int, salts: bytearray) -> bytearray:
    magic = next(number for number, one in _MAGIC.items() if one == order)
    head = bytearray(struct.pack(">4I", magic, _VERSION, log.page_size, checkpoints) + salts)
    return head + struct.pack(">II", *add_sums(_head_words(head, order), (0, 0)))


def _head_words(head: bytearray, order: str) -> tuple[int, ...]:
    return struct.unpack_from(f"{order}6I", head)


def _is_page(log: Log, number: int) -> bool:
    """Return whether a frame can be one at all: in zeros any sum fits."""
    at = log.frame_at(number)
    return 0 < int.from_bytes(log.data[at : at + 4]) <= _MOST_PAGES


def _holds(log: Log, number: int) -> bool:
    """Return whether the file is long enough for a frame."""
    return len(log.data) >= log.frame_at(number + 1)


def _possible_heads(log: Log) -> Iterator[tuple[bytearray, str]]:
    """Return the heads that this one may have been, each with its order of bytes."""
    wanted = _sums_at(log.data, 24)
    for order in _ORDERS:  # the lowest bit of the first word is the order itself
        words = _head_words(log.data, order)
        found = add_sums(words, (0, 0))
        heads = [(list(words), found)] if bits_apart(found, wanted) <= 1 else []
        if found != wanted:
            heads += [(fixed, wanted) for fixed in one_bit_apart(words, (0, 0), wanted)]
        for fixed, sums in heads:
            head = bytearray(struct.pack(f"{order}6I", *fixed) + struct.pack(">II", *sums))
            magic, version, size = struct.unpack_from(">3I", head)
            fits = bits_apart(_sums_at(head, 16), _sums_at(log.data, _HEADER + 8)) <= 1
            if (_MAGIC.get(magic), version) == (order, _VERSION) and size in PAGE_SIZES and fits:
                yield head, order


def _count_frames(log: Log) -> int:
    """Count the frames of the generation that the head names; older ones lie behind."""
    salts = log.data[16:24]
    size = _FRAME + log.page_size
    most = (len(log.data) - _HEADER) // size
    last = -1
    for number in range(most):
        at = log.frame_at(number)
        found = log.data[at + 8 : at + 16]
        if found == salts:
            last = number
        elif bits_apart(struct.unpack(">II", found), struct.unpack(">II", salts)) == 1:
            last = number
            log.data[at + 8 : at + 16] = salts
            log.corrected += 1
    return last + 1


def _check(log: Log, number: int, base: Sums, order: str) -> bool:
    """Return whether a frame is good; corrects it when that is possible without a doubt."""
    at = log.frame_at(number)
    if log.data[at + 8 : at + 16] != log.data[16:24]:
        return False
    stored = _stored(log, number)
    computed = _sum_frame(log, number, base, order)
    if computed == stored:
        return True
    if _sums_are_wrong(log, number, base, order):
        struct.pack_into(">II", log.data, at + 16, *computed)
        log.corrected += 1
        return True
    if len(log.wrong) >= _MOST_CORRECTIONS:
        return False
    fixes = one_bit_apart(_words(log, number, order), base, stored)
    if len(fixes) != 1:  # of a high bit the sums say too little to know where it stands
        return False
    raw = struct.pack(f"{order}{len(fixes[0])}I", *fixes[0])
    log.data[at : at + 8] = raw[:8]
    log.data[at + _FRAME : at + _FRAME + log.page_size] = raw[8:]
    log.corrected += 1
    return True


def _sums_are_wrong(log: Log, number: int, base: Sums, order: str) -> bool:
    """Return whether a frame's own sums are damaged and the rest of it is not."""
    computed = _sum_frame(log, number, base, order)
    if number + 1 < log.count:
        return _sum_frame(log, number + 1, computed, order) == _stored(log, number + 1)
    stored = _stored(log, number)
    if bits_apart(computed, stored) != 1:
        return False
    # Without a frame behind it, what is wrong may as well be a bit of the page.
    return not one_bit_apart(_words(log, number, order), base, stored)


def _stored(log: Log, number: int) -> Sums:
    return _sums_at(log.data, log.frame_at(number) + 16)


def _sums_at(data: bytearray, at: int) -> Sums:
    first, second = struct.unpack_from(">II", data, at)
    return first, second


def _words(log: Log, number: int, order: str) -> tuple[int, ...]:
    """Return what a frame's sums are made of: the first 8 bytes of its head, and the page."""
    at = log.frame_at(number)
    page = at + _FRAME
    summed = log.data[at : at + 8] + log.data[page : page + log.page_size]
    return struct.unpack(f"{order}{len(summed) // 4}I", summed)


def _sum_frame(log: Log, number: int, base: Sums, order: str) -> Sums:
    return add_sums(_words(log, number, order), base)
