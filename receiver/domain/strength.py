"""How hard a secret is to guess: long enough, and no pattern that a guesser tries first."""

import re
from itertools import pairwise

# What guessers put together: words of passwords, rows of keys.
_WORDS = re.compile(
    "pass(?:word|phrase|wd)?|pwd|secret|admin(?:istrator)?|root|user|login|letmein|iloveyou|welcome"
    "|change|replace|please|insert|enter|here|this|that|your|our|the|default|example|sample|test"
    "|demo|super|very|strong|secure|api|access|key|token|auth|bearer|receiver|callback|huawei|cloud"
    "|msgsms|sms|message|prod(?:uction)?|staging|company|server|service|system|app(?:lication)?"
    "|dragon|monkey|master|shadow|sunshine|qwert(?:y|z)?(?:uiop)?|asdf(?:gh)?(?:jkl)?"
    "|zxcv(?:bnm?)?|yxcv(?:bnm?)?|qaz|wsx|edc|rfv|tgb|yhn|ujm"
)
_LETTER = re.compile("[a-z]")
LEAST_OF_A_KEY = 16  # characters of an API key
_HARD_TO_GUESS = 22  # characters: 128 bits of base64
_LEAST_SIGNS_OF_A_KEY = 8
_LEAST_SIGNS = 4
_LEAST_OTHER_LETTERS = 6


def is_weak_key(secret: str) -> bool:
    """Return whether a secret is too weak to be the only protection of what it opens."""
    return (
        len(_unit(secret)) < LEAST_OF_A_KEY
        or count_signs(secret) < _LEAST_SIGNS_OF_A_KEY
        or _is_made_of_words(secret.casefold())
    )


def is_hard_to_guess(secret: str) -> bool:
    """Return whether nobody guesses a secret, however often they may try."""
    return len(_unit(secret)) >= _HARD_TO_GUESS and not is_weak_key(secret)


def is_trivial(secret: str) -> bool:
    """Return whether a secret is among the first that anybody tries: `a`, `1234`, `xxxxxxxx`."""
    return count_signs(secret) < _LEAST_SIGNS


def count_signs(secret: str) -> int:
    """Count the characters that do not follow from those before them.

    A character does not count when it repeats, precedes or follows its neighbour in the alphabet
    (`aaaa`, `1234`, `dcba`), and a text that repeats a shorter one counts once (`abcabcabc`).
    """
    unit = _unit(secret).casefold()
    steps = (abs(ord(one) - ord(other)) for one, other in pairwise(unit))
    return bool(unit) + sum(step > 1 for step in steps)


def _is_made_of_words(secret: str) -> bool:
    """Return whether hardly a letter is left of a secret without the words that guessers know."""
    rest = _WORDS.sub("", secret)
    return rest != secret and len(_LETTER.findall(rest)) < _LEAST_OTHER_LETTERS


def _unit(text: str) -> str:
    """Return the shortest text that, said again and again, gives this one."""
    length = len(text)
    periods = (n for n in range(1, length // 2 + 1) if text[n:] == text[: length - n])
    return text[: next(periods, length)]
