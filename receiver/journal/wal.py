"""The write-ahead log read frame by frame, before SQLite opens it.

SQLite takes a log up to its first frame with a wrong checksum, and silently forgets what stands
behind. That is right after a loss of power, when the last transaction is torn, and wrong when a
frame in the middle was damaged. Each frame keeps the sum over all before it, so those behind a
damaged one can be checked all the same, and a single wrong bit can be found and corrected.

The format: https://www.sqlite.org/fileformat2.html#walformat.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from receiver.journal.pages import PAGE_SIZES, USUAL_PAGE_SIZE

_HEADER, _FRAME = 32, 24  # bytes
_MAGIC = {0x377F0682: "<", 0x377F0683: ">"}  # of the words that are summed
_VERSION = 3_007_000
_MASK = 0xFFFFFFFF
_MOST_CORRECTIONS = 64  # frames: each costs some 50 ms

Sums = tuple[int, int]


@dataclass(slots=True)
class Log:
    """What a write-ahead log holds.

    Attributes:
        data: the whole file, with what could be corrected.
        corrected: frames in which one wrong bit was put right; 0 stands for the head.
        wrong: numbers of the frames (from 0) that are damaged or torn.
        commits: numbers of the good frames that end a transaction.
        count: frames of this generation.
    """

    data: bytearray
    page_size: int = USUAL_PAGE_SIZE
    corrected: int = 0
    wrong: list[int] = field(default_factory=list)
    commits: list[int] = field(default_factory=list)
    count: int = 0

    @property
    def commits_behind(self) -> list[int]:
        """Transactions that end behind the first damaged frame."""
        return [one for one in self.commits if self.wrong and one > self.wrong[0]]

    @property
    def was_synced(self) -> bool:
        """Whether the damaged transaction was durable: another one began after it."""
        behind = self.commits_behind
        return bool(behind) and behind[0] < self.count - 1

    def pages(self, first: int = 0) -> dict[int, bytes]:
        """Give the newest version of each page in good frames from a number on, if committed."""
        found: dict[int, bytes] = {}
        bad = set(self.wrong)
        last = self.commits[-1] if self.commits else -1
        for number in range(first, last + 1):
            if number not in bad:
                at = self.frame_at(number)
                (page_no,) = struct.unpack_from(">I", self.data, at)
                found[page_no] = bytes(self.data[at + _FRAME : at + _FRAME + self.page_size])
        return found

    def damaged_pages(self) -> list[bytes]:
        """Give the pages of damaged frames before the last commit, as they are."""
        last = self.commits[-1] if self.commits else -1
        ats = [self.frame_at(number) + _FRAME for number in self.wrong if number < last]
        return [bytes(self.data[at : at + self.page_size]) for at in ats]

    def frame_at(self, number: int) -> int:
        """Give where in the file a frame begins."""
        return _HEADER + number * (_FRAME + self.page_size)


def read_log(data: bytes) -> Log:
    """Check every frame of a write-ahead log, and correct what is one bit away from right.

    Args:
        data: the file, of any content.
    """
    log = Log(bytearray(data))
    if len(data) < _HEADER + _FRAME:
        return log
    order = _read_head(log)
    (size,) = struct.unpack_from(">I", log.data, 8)
    log.page_size = size if size in PAGE_SIZES else USUAL_PAGE_SIZE
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
    """Check the file's head, correct it when possible; give the order of the bytes in a word."""
    first_salts = _sums_at(log.data, _HEADER + 8)
    heads = sorted(
        _possible_heads(log), key=lambda one: _bits_apart(_sums_at(one[0], 16), first_salts)
    )
    for head, order in heads:
        log.page_size = struct.unpack_from(">I", head, 8)[0]
        # The first frame tells which of them it is, for its own sums go on from the head's.
        if _sum_frame(log, 0, _sums_at(head, 24), order) == _stored(log, 0):
            break
    else:
        head, order = heads[0] if heads else (log.data[:_HEADER], "<")
    log.corrected += head != log.data[:_HEADER]
    log.data[:_HEADER] = head
    return order


def _possible_heads(log: Log) -> Iterator[tuple[bytearray, str]]:
    """Give the heads that this one may have been, each with its order of bytes."""
    wanted = _sums_at(log.data, 24)
    for order in ("<", ">"):  # the lowest bit of the first word is the order itself
        words = struct.unpack_from(f"{order}6I", log.data)
        found = _add(words, (0, 0))
        heads = [(list(words), found)] if _bits_apart(found, wanted) <= 1 else []
        if found != wanted:
            heads += [(fixed, wanted) for fixed in _candidates(words, (0, 0), wanted)]
        for fixed, sums in heads:
            head = bytearray(struct.pack(f"{order}6I", *fixed) + struct.pack(">II", *sums))
            magic, version, size = struct.unpack_from(">3I", head)
            fits = _bits_apart(_sums_at(head, 16), _sums_at(log.data, _HEADER + 8)) <= 1
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
        elif _bits_apart(struct.unpack(">II", found), struct.unpack(">II", salts)) == 1:
            last = number
            log.data[at + 8 : at + 16] = salts
            log.corrected += 1
    return last + 1


def _check(log: Log, number: int, base: Sums, order: str) -> bool:
    """Tell whether a frame is good; corrects it when that is possible without a doubt."""
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
    fixes = _candidates(_words(log, number, order), base, stored)
    if len(fixes) != 1:  # of a high bit the sums say too little to know where it stands
        return False
    raw = struct.pack(f"{order}{len(fixes[0])}I", *fixes[0])
    log.data[at : at + 8] = raw[:8]
    log.data[at + _FRAME : at + _FRAME + log.page_size] = raw[8:]
    log.corrected += 1
    return True


def _sums_are_wrong(log: Log, number: int, base: Sums, order: str) -> bool:
    """Tell whether a frame's own sums are damaged and the rest of it is not."""
    computed = _sum_frame(log, number, base, order)
    if number + 1 < log.count:
        return _sum_frame(log, number + 1, computed, order) == _stored(log, number + 1)
    stored = _stored(log, number)
    if _bits_apart(computed, stored) != 1:
        return False
    # Without a frame behind it, what is wrong may as well be a bit of the page.
    return not _candidates(_words(log, number, order), base, stored)


def _stored(log: Log, number: int) -> Sums:
    return _sums_at(log.data, log.frame_at(number) + 16)


def _sums_at(data: bytearray, at: int) -> Sums:
    first, second = struct.unpack_from(">II", data, at)
    return first, second


def _words(log: Log, number: int, order: str) -> tuple[int, ...]:
    """Give what a frame's sums are made of: the first 8 bytes of its head, and the page."""
    at = log.frame_at(number)
    page = at + _FRAME
    summed = log.data[at : at + 8] + log.data[page : page + log.page_size]
    return struct.unpack(f"{order}{len(summed) // 4}I", summed)


def _sum_frame(log: Log, number: int, base: Sums, order: str) -> Sums:
    return _add(_words(log, number, order), base)


def _add(words: Sequence[int], base: Sums) -> Sums:
    """Give SQLite's two sums over pairs of words."""
    first, second = base
    pairs = iter(words)
    for one, other in zip(pairs, pairs, strict=True):
        first = (first + one + second) & _MASK
        second = (second + other + first) & _MASK
    return first, second


@cache
def _weights(count: int) -> tuple[list[int], list[int]]:
    """Give how much each of so many words counts in the first and in the second sum.

    Both sums are linear in the words, so the weight is decided by a word's place alone.
    """
    odd, even = (0, 1), (1, 1)
    weights: list[Sums] = []
    for _ in range(count // 2):
        weights += [odd, even]
        odd, even = _step(odd), _step(even)
    weights.reverse()
    return [one for one, _ in weights], [other for _, other in weights]


def _step(sums: Sums) -> Sums:
    first = (sums[0] + sums[1]) & _MASK
    return first, (sums[1] + first) & _MASK


def _candidates(words: Sequence[int], base: Sums, wanted: Sums) -> list[list[int]]:
    """Give the words with one bit changed, wherever that gives the wanted sums."""
    found = _add(words, base)
    missing = ((wanted[0] - found[0]) & _MASK, (wanted[1] - found[1]) & _MASK)
    firsts, seconds = _weights(len(words))
    fixed: list[list[int]] = []
    for place, word in enumerate(words):
        for bit in range(32):
            change = -(1 << bit) if word >> bit & 1 else 1 << bit
            if firsts[place] * change & _MASK != missing[0]:
                continue
            if seconds[place] * change & _MASK == missing[1]:
                fixed.append([*words[:place], word + change, *words[place + 1 :]])
    return fixed


def _bits_apart(one: Sequence[int], other: Sequence[int]) -> int:
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))
