"""The decision rules, made from the settings."""

from collections.abc import Mapping

from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import RetryClass
from receiver.domain.projection import Policy
from receiver.domain.retries.breaker import BreakerOptions
from receiver.domain.retries.limits import Limit
from receiver.domain.retries.policy import (
    DAY_S,
    HOUR_S,
    Budget,
    KindRules,
    MessageKind,
    Override,
    RetryPolicy,
    RetryRule,
    Terms,
    Values,
)
from receiver.domain.suppressions.opt_outs import make_words
from receiver.domain.times import SECOND
from receiver.errors import SettingsError
from receiver.huawei.catalogue import load_catalogue
from receiver.settings import RetrySettings, Settings
from receiver.settings.retry import (
    ClassSettings,
    KindSettings,
    OverrideSettings,
    hours_of,
)

_MINUTE_S = 60


def make_catalogue(settings: Settings) -> Catalogue:
    """Read the effective catalogue.

    Raises:
        SettingsError: the catalogue file cannot be used; the text has a line for each problem.
    """
    try:
        return load_catalogue(settings.catalogue_file)
    except ValueError as error:
        problems = (f"catalogue_file: {line}" for line in str(error).splitlines())
        raise SettingsError("\n".join(problems)) from None


def make_policy(settings: Settings) -> Policy:
    """Return the rules of decision.

    Raises:
        SettingsError: as for the catalogue.
    """
    return Policy(
        catalogue=make_catalogue(settings),
        late_delivered=settings.late_delivered,
        words=make_words(settings.uplinks.opt_out_words, settings.uplinks.opt_in_words),
        retry=make_retry_policy(settings.retry),
        suppressed_us=round(settings.suppressions.code_days * DAY_S * SECOND),
    )


def make_retry_policy(settings: RetrySettings) -> RetryPolicy:
    """Return the rules of retries."""
    budget, breaker = settings.budget, settings.breaker
    return RetryPolicy(
        base=RetryRule(
            delay_s=settings.later_seconds,
            factor=settings.factor,
            jitter=settings.jitter,
            cap_s=settings.cap_seconds,
            attempts=settings.attempts,
            window_s=settings.window_seconds,
        ),
        classes=_classes(settings),
        categories={
            category: _values(said, said.delay_seconds)
            for category, said in settings.categories.items()
        },
        kinds={kind: _kind(kind, settings.kinds.of(kind.value)) for kind in MessageKind},
        overrides=tuple(_override(number, said) for number, said in enumerate(settings.overrides)),
        kind=MessageKind(settings.kind),
        identical=_limits(
            ("retry.identical_per_minute", _MINUTE_S, settings.identical_per_minute),
            ("retry.identical_per_hour", HOUR_S, settings.identical_per_hour),
        ),
        limited_countries=frozenset(settings.limited_countries),
        zone=settings.zone,
        budget=Budget(budget.share, budget.floor, budget.pause_seconds),
        breaker=BreakerOptions(
            recent_s=breaker.recent_seconds,
            baseline_s=breaker.baseline_seconds,
            failures=breaker.failures,
            share=breaker.share,
            factor=breaker.factor,
            pause_s=breaker.pause_seconds,
            cap_s=breaker.cap_seconds,
            probe_s=breaker.probe_seconds,
        ),
        trust_open=settings.trust_open,
    )


def _classes(settings: RetrySettings) -> Mapping[RetryClass, Values]:
    delays = {
        RetryClass.RETRY_SOON: settings.soon_seconds,
        RetryClass.RETRY_LATER: settings.later_seconds,
        RetryClass.NEXT_DAY: settings.next_day_seconds,
    }
    said = {RetryClass(name): values for name, values in settings.classes.items()}
    return {
        retry: _values(said.get(retry, ClassSettings()), delay_s)
        for retry, delay_s in delays.items()
    }


def _values(said: ClassSettings, delay_s: int | None) -> Values:
    return Values(
        delay_s=delay_s,
        factor=said.factor,
        jitter=said.jitter,
        cap_s=said.cap_seconds,
        attempts=said.attempts,
        window_s=said.window_seconds,
    )


def _kind(kind: MessageKind, said: KindSettings) -> KindRules:
    prefix = f"retry.kinds.{kind}"
    return KindRules(
        values=Values(delay_s=said.delay_seconds, attempts=said.attempts),
        terms=Terms(
            max_age_s=said.max_age_seconds or None,
            retry_duplicates=said.retry_duplicates,
            send_window=hours_of(said.send_window),
            quiet_hours=hours_of(said.quiet_hours),
        ),
        limits=_limits(
            (f"{prefix}.per_minute", _MINUTE_S, said.per_minute),
            (f"{prefix}.per_hour", HOUR_S, said.per_hour),
            (f"{prefix}.per_day", DAY_S, said.per_day),
        ),
    )


def _limits(*named: tuple[str, int, int]) -> tuple[Limit, ...]:
    return tuple(Limit(*one) for one in named if one[2])


def _override(number: int, said: OverrideSettings) -> Override:
    return Override(
        name=f"retry.overrides.{number}",
        template_id=said.template_id,
        reference_prefix=said.reference_prefix,
        kind=None if said.kind is None else MessageKind(said.kind),
        values=_values(said, said.delay_seconds),
        terms=Terms(
            max_age_s=said.max_age_seconds,
            retry_duplicates=said.retry_duplicates,
            send_window=hours_of(said.send_window),
            quiet_hours=hours_of(said.quiet_hours),
        ),
    )
