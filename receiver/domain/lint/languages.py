"""Whether both languages of a row agree, and match its retry class."""

import re
from collections.abc import Iterator

from receiver.domain.catalogue.entries import CatalogueEntry, Category, RetryClass
from receiver.domain.lint.periods import period_s, speaks_of_limit
from receiver.domain.lint.problem import RowProblem, is_retried
from receiver.domain.wording.languages import Language

_NUMBER = re.compile(r"(?<![A-Za-z0-9.])[0-9]+(?![A-Za-z0-9])", re.ASCII)
_QUOTED = re.compile("`([^`]+)`")
_AGAIN = {Language.EN: "send again", Language.ZH: "重新发送"}
_STOP = {Language.EN: "stop sending", Language.ZH: "停止"}
# Written as a word in one language and as a digit in the other.
_SMALL = frozenset({"0", "1", "2", "3"})


def lint_texts(entry: CatalogueEntry) -> Iterator[RowProblem]:
    """Find texts that contradict the row or each other."""
    yield from _lint_advice(entry)
    if entry.en != entry.zh:  # a file of the user's own may say it in one language for both
        yield from _lint_translation(entry)


def _lint_advice(entry: CatalogueEntry) -> Iterator[RowProblem]:
    for language, name in ((Language.EN, "suggestion"), (Language.ZH, "suggestion_zh")):
        text = entry.words(language).suggestion.lower()
        again, stop = _AGAIN[language], _STOP[language]
        if again in text and entry.retry in (RetryClass.NEVER, RetryClass.NONE):
            yield RowProblem(
                entry, name, f"advises {again!r}, but {entry.retry} never does; correct one of them"
            )
        if text.startswith(again) and entry.retry is RetryClass.AFTER_FIX:
            yield RowProblem(
                entry, name, f"begins with {again!r}; state first what must be corrected"
            )
        if text.startswith(stop) and is_retried(entry) and entry.category is not Category.UNKNOWN:
            yield RowProblem(
                entry, name, f"begins with {stop!r}, but {entry.retry} sends again; correct one"
            )


def _lint_translation(entry: CatalogueEntry) -> Iterator[RowProblem]:
    for name in ("meaning", "cause", "suggestion"):
        en, zh = getattr(entry.en, name), getattr(entry.zh, name)
        for text in _differences(en, zh):
            yield RowProblem(entry, f"{name}_zh", f"{text}; say the same in both languages")
    en, zh = entry.en.suggestion, entry.zh.suggestion
    # A text in one language speaks for both.
    if en != zh and (_AGAIN[Language.EN] in en.lower()) != (_AGAIN[Language.ZH] in zh):
        yield RowProblem(
            entry, "suggestion_zh", "only one language mentions sending again; mention it in both"
        )
    if entry.en.meaning == entry.zh.meaning or not speaks_of_limit(entry):
        return
    periods = {period_s(entry.en, Language.EN), period_s(entry.zh, Language.ZH)}
    if len(periods) > 1:
        yield RowProblem(
            entry, "cause_zh", "the two languages name different periods of the limit; correct one"
        )


def _differences(en: str, zh: str) -> Iterator[str]:
    """Return the numbers and quoted names that occur in one language only."""
    only = (set(_NUMBER.findall(en)) ^ set(_NUMBER.findall(zh))) - _SMALL
    if only:
        yield f"the number {', '.join(sorted(only))} occurs in one language only"
    missing = [name for name in _QUOTED.findall(en) if name not in zh]
    missing += [name for name in _QUOTED.findall(zh) if name not in en]
    if missing:
        yield f"{', '.join(missing)} occurs in one language only"
