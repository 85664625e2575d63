"""Counts the projector's work in the metrics."""

from receiver.domain import times
from receiver.domain.catalogue.catalogue import Catalogue
from receiver.domain.catalogue.entries import FALLBACK_ENTRY, SEND_API
from receiver.domain.messages.durations import delivery_time_us
from receiver.domain.messages.state import State
from receiver.domain.projection import ProjectedChanges
from receiver.metrics import Metrics


def count_changes(changes: ProjectedChanges, metrics: Metrics, catalogue: Catalogue) -> None:
    """Count what one transaction has written."""
    for report in changes.reports:
        match = catalogue.lookup(report.status, source=report.source, org_code=report.org_code)
        # The label is the catalogue's row, never what a stranger wrote.
        metrics.reports.inc(match.entry.category.value, match.entry.code)
        if match.is_unknown:
            metrics.unknown_codes.inc()
    for quarantined in changes.quarantined:
        metrics.quarantined.labels(quarantined.kind).inc(quarantined.items)
    for decided in changes.messages:
        message, folded = decided.message, decided.folded
        again = message.send is not None and message.send.retry_of is not None
        if again and folded.state is State.DELIVERED is not message.state_before:
            metrics.retries_saved.inc()
        if folded.state is not State.DELIVERED or message.delivery_known_before:
            continue
        sent_at = message.send.sent_at if message.send else None
        taken = delivery_time_us(sent_at, folded.delivered_at, folded.last_report_at)
        if taken is not None:
            metrics.delivery_seconds.observe(taken / times.SECOND)
    metrics.redeliveries.inc(changes.redeliveries)
    metrics.uplinks.inc(sum(uplink.is_new for uplink in changes.uplinks))
    for uplink in changes.uplinks:
        if uplink.asks_anew and uplink.intent:
            metrics.opt_outs.labels(uplink.intent.value).inc()
    _count_registrations(changes, metrics)


def _count_registrations(changes: ProjectedChanges, metrics: Metrics) -> None:
    metrics.sends.inc(changes.sends)
    for name, count in changes.conflicts.items():
        metrics.registration_conflicts.labels(name).inc(count)
    metrics.orphans.inc(changes.orphans_found - changes.orphans_bound)
    metrics.orphans_bound.inc(changes.orphans_bound)


def show_catalogue(metrics: Metrics, catalogue: Catalogue) -> None:
    """Show which catalogue decides; every row that a report can have is counted from the start."""
    rows = [*catalogue.entries, FALLBACK_ENTRY]
    metrics.show_catalogue(
        catalogue.version,
        [(one.category.value, one.code) for one in rows if one.origin != SEND_API],
    )
