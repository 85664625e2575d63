"""Merges the layers of the policy into the rule of one message."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from receiver.domain.catalogue.entries import Category, RetryClass
from receiver.domain.retries.limits import Limit
from receiver.domain.retries.policy import (
    NOTHING,
    KindRules,
    MessageKind,
    Override,
    RetryPolicy,
    RetryRule,
    Terms,
    Values,
)
from receiver.domain.retries.sentences import RetryStep, retry_reason
from receiver.domain.retries.windows import Hours, blocked_hours
from receiver.domain.wording.sentences import WAIT_OF_ROW, Reason

_Layer = tuple[str, Values]  # where it stands, what it says


@dataclass(frozen=True, slots=True)
class Resolved:
    """The effective policy for one message."""

    kind: MessageKind
    rule: RetryRule
    least_s: int  # the wait that no rule undercuts: sooner it would fail again
    max_age_s: int | None
    retry_duplicates: bool
    blocked: tuple[Hours, ...]  # hours in which nothing is sent
    limits: tuple[Limit, ...]  # of sends of this kind to one number
    steps: tuple[Reason, ...]

    @property
    def life_s(self) -> int:
        """For how long after the first send there may be retries."""
        window_s = self.rule.window_s
        return window_s if self.max_age_s is None else min(window_s, self.max_age_s)

    def grown_s(self, attempts: int) -> float:
        """Return the delay that the rule makes of so many sends, before what comes on top."""
        rule = self.rule
        try:
            return min(rule.delay_s * rule.factor ** (attempts - 1), rule.cap_s)
        except OverflowError:
            return rule.cap_s


def resolve(
    template_id: str | None,
    reference: str | None,
    category: Category | None,
    retry: RetryClass | None,
    retry_after_s: int | None,
    policy: RetryPolicy,
) -> Resolved:
    """Put together what holds for a message; the facts are those of a `Candidate`."""
    kind = policy.kind_of(template_id, reference)
    of_kind = policy.kinds.get(kind, KindRules())
    override = policy.override_for(template_id, reference)
    of_class = NOTHING if retry is None else policy.classes.get(retry, NOTHING)
    layers = [
        (f"retry.classes.{retry}", of_class),
        (WAIT_OF_ROW, Values(delay_s=retry_after_s)),
        (
            f"retry.categories.{category}",
            NOTHING if category is None else policy.categories.get(category, NOTHING),
        ),
        (f"retry.kinds.{kind}", of_kind.values),
    ]
    if override is not None:
        layers.append((override.name, override.values))
    terms = of_kind.terms if override is None else _over(of_kind.terms, override)
    of_day = of_class.delay_s if retry is RetryClass.NEXT_DAY else None
    least_s = of_day if retry_after_s is None else retry_after_s
    return Resolved(
        kind=kind,
        rule=_rule(policy.base, layers),
        least_s=least_s or 0,
        max_age_s=terms.max_age_s,
        retry_duplicates=terms.retry_duplicates is not False,
        blocked=blocked_hours(terms.send_window, terms.quiet_hours),
        limits=of_kind.limits,
        steps=tuple(_explain(kind, layers)),
    )


def _rule(base: RetryRule, layers: Sequence[_Layer]) -> RetryRule:
    rule = base
    for _, values in layers:
        rule = replace(rule, **dict(values.told()))
    return rule


def _over(below: Terms, override: Override) -> Terms:
    """Lay an override's terms over those of the kind."""
    above = override.terms
    duplicates = above.retry_duplicates
    return Terms(
        below.max_age_s if above.max_age_s is None else above.max_age_s,
        below.retry_duplicates if duplicates is None else duplicates,
        above.send_window or below.send_window,
        above.quiet_hours or below.quiet_hours,
    )


def _explain(kind: MessageKind, layers: Sequence[_Layer]) -> Iterator[Reason]:
    said = [name for name, values in layers if values != NOTHING]
    yield retry_reason(RetryStep.RULE, kind=kind.value, rules=", ".join(["retry", *said]))
