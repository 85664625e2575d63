"""Invariants of catalogue rows, both built-in and user-defined ones."""

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.lint.decisions import lint_bare_numbers, lint_decision
from receiver.domain.lint.languages import lint_texts
from receiver.domain.lint.periods import lint_period
from receiver.domain.lint.problem import RowProblem
from receiver.domain.lint.siblings import lint_siblings

__all__ = ["RowProblem", "lint_catalogue"]


def lint_catalogue(catalogue: Catalogue) -> list[RowProblem]:
    """Find the rows of a catalogue that contradict themselves or each other."""
    problems: list[RowProblem] = []
    for entry in catalogue.entries:
        problems += lint_decision(entry)
        problems += lint_period(entry)
        problems += lint_texts(entry)
    problems += lint_bare_numbers(catalogue)
    problems += lint_siblings(catalogue.entries, catalogue.siblings)
    return problems
