"""The checksums of write-ahead log frames: forwards, backwards, one bit apart."""

from collections.abc import Sequence
from functools import cache

Sums = tuple[int, int]

_MASK = 0xFFFFFFFF


def add_sums(words: Sequence[int], base: Sums) -> Sums:
    """Return SQLite's two sums over pairs of words."""
    first, second = base
    pairs = iter(words)
    for one, other in zip(pairs, pairs, strict=True):
        first = (first + one + second) & _MASK
        second = (second + other + first) & _MASK
    return first, second


def subtract_sums(words: Sequence[int], sums: Sums) -> Sums:
    """Return what the sums were before these words."""
    first, second = sums
    backwards = reversed(words)
    for other, one in zip(backwards, backwards, strict=True):
        second = (second - other - first) & _MASK
        first = (first - one - second) & _MASK
    return first, second


@cache
def _weights(count: int) -> tuple[list[int], list[int]]:
    """Return how much each of so many words counts in the first and in the second sum.

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


def one_bit_apart(words: Sequence[int], base: Sums, wanted: Sums) -> list[list[int]]:
    """Return the words with one bit changed, in each way that yields the wanted sums."""
    found = add_sums(words, base)
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


def bits_apart(one: Sequence[int], other: Sequence[int]) -> int:
    """Count the bits in which words differ."""
    return sum((a ^ b).bit_count() for a, b in zip(one, other, strict=True))
