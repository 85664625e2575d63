"""Which of two reports about the same part takes precedence, and by which rule.

There is this one order: the fold takes its first, the explanation names the step that told two
reports apart.
"""

from enum import IntEnum, StrEnum

from receiver.domain.catalogue.codes import fold
from receiver.domain.inputs import StatusReport


class Weight(IntEnum):
    """The rank of a report; the greater one takes precedence."""

    UNKNOWN = 0
    ACCEPTED = 1
    PLATFORM_FAILURE = 2  # the platform made the report itself
    CARRIER_FAILURE = 3
    DELIVERED = 4


class PrecedenceRule(StrEnum):
    """The rule by which one of two reports takes precedence."""

    DELIVERED_OVER_FAILURE = "delivered-over-failure"
    CARRIER_OVER_PLATFORM = "carrier-over-platform"
    FINAL_OVER_OPEN = "final-over-open"
    ACCEPTED_OVER_UNKNOWN = "accepted-over-unknown"
    TIME_OVER_NONE = "time-over-none"
    LATER_TIME = "later-time"
    CONTENT_ORDER = "content-order"  # equal in all that counts


FAILURES = frozenset({Weight.CARRIER_FAILURE, Weight.PLATFORM_FAILURE})
_OPEN = frozenset({Weight.ACCEPTED, Weight.UNKNOWN})
_NAMED = {"DELIVRD": Weight.DELIVERED, "ACCEPTD": Weight.ACCEPTED, "UNKNOWN": Weight.UNKNOWN}
MADE_BY_PLATFORM = frozenset({1, 3})  # `source` of reports that no SMSC sent

Place = tuple[Weight, bool, int, str, str, int]
_RULES_BEHIND_WEIGHT = (PrecedenceRule.TIME_OVER_NONE, PrecedenceRule.LATER_TIME)


def weigh(report: StatusReport) -> Weight:
    """Weigh one report; every code but the named ones counts as a failure (platform rule)."""
    named = _NAMED.get(report.status) or _NAMED.get(fold(report.status))
    if named is not None:
        return named
    if report.updated_at is None or report.source in MADE_BY_PLATFORM:
        return Weight.PLATFORM_FAILURE
    return Weight.CARRIER_FAILURE


def precedence(report: StatusReport) -> Place:
    """Return the place of a report among those about its part; the greatest decides.

    No two reports of a message have the same place: what the platform's own times leave open is
    settled by content.
    """
    return (
        weigh(report),
        report.updated_at is not None,
        report.updated_at or 0,
        report.status,
        report.update_time,
        -report.sequence,
    )


def rule_between(believed: StatusReport, other: StatusReport) -> PrecedenceRule:
    """Return why the first of two reports about a part is believed over the second."""
    (weight, *place), (other_weight, *other_place) = precedence(believed), precedence(other)
    if weight != other_weight:
        return _rule_of_weights(weight, other_weight)
    for rule, one, two in zip(_RULES_BEHIND_WEIGHT, place, other_place, strict=False):
        if one != two:
            return rule
    return PrecedenceRule.CONTENT_ORDER


def _rule_of_weights(greater: Weight, less: Weight) -> PrecedenceRule:
    if greater is Weight.ACCEPTED:
        return PrecedenceRule.ACCEPTED_OVER_UNKNOWN
    if less in _OPEN:
        return PrecedenceRule.FINAL_OVER_OPEN
    if greater is Weight.DELIVERED:
        return PrecedenceRule.DELIVERED_OVER_FAILURE
    return PrecedenceRule.CARRIER_OVER_PLATFORM
