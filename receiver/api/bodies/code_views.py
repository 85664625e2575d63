"""Catalogue rows -> JSON of the private API. Needs no store, because commands use it too."""

from typing import Any

from receiver.domain.catalogue.entries import CatalogueEntry, Match
from receiver.domain.verdict import action_of
from receiver.domain.wording.languages import Language
from receiver.domain.wording.reasons import explain_match

Json = dict[str, Any]


def entry_json(entry: CatalogueEntry, language: Language) -> Json:
    """Write one row of the catalogue."""
    words = entry.words(language)
    return {
        "code": entry.code,
        "origin": entry.origin,
        "scope": entry.scope,
        "category": entry.category.value,
        "retry": entry.retry.value,
        "retry_after_s": entry.retry_after_s,
        "billable": entry.billable,
        "meaning": words.meaning,
        "cause": words.cause,
        "suggestion": words.suggestion,
        "source": entry.source,
        "rank": entry.rank.name.lower(),
    }


def match_json(match: Match, status: str, language: Language) -> Json:
    """Write how a status was looked up, and what there is to do."""
    return {
        "rule": match.rule.value,
        "looked_up": match.code,
        "action": action_of(match.entry).value,
        **entry_json(match.entry, language),
        "why": explain_match(match, status, language)["text"],
    }
