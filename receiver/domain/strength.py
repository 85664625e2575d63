"""How hard a secret is to guess: long enough, and no pattern that a guesser tries first."""

from itertools import pairwise

LEAST_OF_A_KEY = 16  # characters of an API key
_HARD_TO_GUESS = 22  # characters: 128 bits of base64
_LEAST_SIGNS_OF_A_KEY = 8
_LEAST_SIGNS = 4


def is_weak_key(secret: str) -> bool:
    """Tell whether a secret is too weak to be the only protection of what it opens."""
    return len(_unit(secret)) < LEAST_OF_A_KEY or count_signs(secret) < _LEAST_SIGNS_OF_A_KEY


def is_hard_to_guess(secret: str) -> bool:
    """Tell whether nobody guesses a secret, however often they may try."""
    return len(_unit(secret)) >= _HARD_TO_GUESS and not is_weak_key(secret)


def is_trivial(secret: str) -> bool:
    """Tell whether a secret is among the first that anybody tries: `a`, `1234`, `xxxxxxxx`."""
    return count_signs(secret) < _LEAST_SIGNS


def count_signs(secret: str) -> int:
    """Count the characters that do not follow from those before them.

    A character does not count when it repeats, precedes or follows its neighbour in the alphabet
    (`aaaa`, `1234`, `dcba`), and a text that repeats a shorter one counts once (`abcabcabc`).
    """
    unit = _unit(secret).casefold()
    steps = (abs(ord(one) - ord(other)) for one, other in pairwise(unit))
    return bool(unit) + sum(step > 1 for step in steps)


def _unit(text: str) -> str:
    """Give the shortest text that, said again and again, gives this one."""
    length = len(text)
    periods = (n for n in range(1, length // 2 + 1) if text[n:] == text[: length - n])
    return text[: next(periods, length)]
