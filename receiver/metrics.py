"""Metrics: one registry of our own; no label takes a value that a stranger can choose."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from receiver.domain.messages.conflicts import COMPARED
from receiver.histograms import QuickHistogram

_ACK_BUCKETS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
)  # fmt: skip
_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
_DELIVERY_BUCKETS = (
    1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600, 72 * 3600,
)  # fmt: skip


# They would be a second series for each counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type for it


class Metrics:
    """Everything that is measured. A new instance has its own registry."""

    def __init__(self, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Info("receiver_build", "Version of the receiver.", registry=registry).info(
            {"version": version}
        )
        self._catalogue = Info(
            "receiver_catalogue",
            "Version of the status code catalogue in use.",
            registry=registry,
        )
        self.pushes = Counter(
            "receiver_pushes",
            "Requests to the callback address, by kind of push and outcome.",
            ("kind", "outcome"),
            registry=registry,
        )
        self.cut_off = Counter(
            "receiver_pushes_cut_off",
            "Pushes, by callback token, that were rejected as too large.",
            ("application",),
            registry=registry,
        )
        self.push_items = QuickHistogram(
            "receiver_push_items",
            "Usable items per accepted push: the reports of a batch, or 1.",
            buckets=_SIZE_BUCKETS,
            registry=registry,
        )
        self.ack_seconds = QuickHistogram(
            "receiver_ack_seconds",
            "Time from the event loop turn that read an accepted push to its durable "
            "200, without the earlier wait (receiver_read_wait_seconds).",
            buckets=_ACK_BUCKETS,
            registry=registry,
        )
        self.read_wait = Histogram(
            "receiver_read_wait_seconds",
            "Time that the bytes of a request waited before they were read, including "
            "the queue of new connections; sampled at most four times a second, Linux "
            "only.",
            buckets=_ACK_BUCKETS,
            registry=registry,
        )
        self.loop_delay = Histogram(
            "receiver_event_loop_delay_seconds",
            "Delay of a timer of the event loop: every push waits at least that long.",
            buckets=_ACK_BUCKETS,
            registry=registry,
        )
        self.last_push = Gauge(
            "receiver_last_push_timestamp_seconds",
            "Time at which the last push of an application was accepted.",
            ("application",),
            registry=registry,
        )
        self.commit_entries = Histogram(
            "receiver_journal_commit_entries",
            "Entries per group commit.",
            buckets=_SIZE_BUCKETS,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "receiver_journal_commit_seconds",
            "Duration of a group commit, including the sync to disk.",
            buckets=_ACK_BUCKETS,
            registry=registry,
        )
        self.journal_waiting = Gauge(
            "receiver_journal_waiting", "Entries waiting to be written to disk.", registry=registry
        )
        self.journal_bytes = Gauge(
            "receiver_journal_bytes",
            "Size of the journal including its write-ahead log.",
            registry=registry,
        )
        self._add_damages(registry)
        self.lag_rows = Gauge(
            "receiver_projector_lag_rows",
            "Journal depth: entries that the store has not processed yet.",
            registry=registry,
        )
        self.lag_seconds = Gauge(
            "receiver_projector_lag_seconds",
            "Age of the oldest entry that the store has not processed yet.",
            registry=registry,
        )
        self.projector_failures = Counter(
            "receiver_projector_failures",
            "Failed attempts to write to the store, which are repeated.",
            registry=registry,
        )
        self.reports = CatalogueCounter(
            "receiver_reports",
            "Status reports stored, by category and listed code or code family.",
            registry=registry,
        )
        self.unknown_codes = Counter(
            "receiver_unknown_codes",
            "Status reports whose code matches no row and no family of the catalogue.",
            registry=registry,
        )
        self.redeliveries = Counter(
            "receiver_redeliveries",
            "Reports and uplinks that were delivered again.",
            registry=registry,
        )
        self.uplinks = Counter("receiver_uplinks", "Uplink SMSs stored.", registry=registry)
        self.opt_outs = Counter(
            "receiver_opt_outs",
            "Uplinks stored whose entire text is an opt-out or opt-in keyword.",
            ("intent",),
            registry=registry,
        )
        self.retries = Counter(
            "receiver_retries",
            "Items of the retry queue settled by claimers.",
            ("outcome",),
            registry=registry,
        )
        self.retries_expired = Counter(
            "receiver_retries_lease_expired",
            "Items claimed again because their lease had expired.",
            registry=registry,
        )
        self.retries_saved = Counter(
            "receiver_retries_saved",
            "Messages delivered by an attempt other than the first.",
            registry=registry,
        )
        self.retries_due = Gauge(
            "receiver_retries_due", "Messages that may be sent again now.", registry=registry
        )
        self.retries_claimed = Gauge(
            "receiver_retries_claimed",
            "Messages claimed for a retry.",
            registry=registry,
        )
        self.breakers_open = Gauge(
            "receiver_retry_breakers_open",
            "Codes whose retries are held back because their failures have increased sharply.",
            registry=registry,
        )
        self.api_refused = Counter(
            "receiver_api_refused",
            "Requests to the private API rejected because of their keys.",
            ("reason",),
            registry=registry,
        )
        self.answers_evicted = Counter(
            "receiver_idempotency_evicted",
            "Responses for an Idempotency-Key that were evicted before they expired.",
            registry=registry,
        )
        self.guessers_forgotten = Counter(
            "receiver_guessers_forgotten",
            "Addresses with wrong secrets that were evicted within a minute.",
            ("secret",),
            registry=registry,
        )
        self.suppressed = Gauge(
            "receiver_suppressed",
            "Suppressions in effect, by source.",
            ("source",),
            registry=registry,
        )
        self.signatures = Counter(
            "receiver_push_signatures",
            "Pushes of applications that require signatures, by result of the check.",
            ("application", "outcome"),
            registry=registry,
        )
        self.sends = Counter("receiver_sends", "Sends registered.", registry=registry)
        self.registration_conflicts = _from_zero(
            Counter(
                "receiver_registration_conflicts",
                "Registered values that contradict earlier values of the send, by field.",
                ("field",),
                registry=registry,
            ),
            COMPARED.values(),
        )
        self.orphans = Gauge(
            "receiver_orphans",
            "Messages with reports but without a registered send.",
            registry=registry,
        )
        self.orphans_bound = Counter(
            "receiver_orphans_bound",
            "Messages whose send was registered after a report.",
            registry=registry,
        )
        self.quarantined = Counter(
            "receiver_quarantined",
            "Pushes and items that could not be parsed.",
            ("kind",),
            registry=registry,
        )
        self.quarantine_evicted = Counter(
            "receiver_quarantine_evicted",
            "Rows evicted from the quarantine before they expired, because it was full.",
            registry=registry,
        )
        self.overdue = Counter(
            "receiver_overdue",
            "Messages marked overdue: no final report within the horizon.",
            registry=registry,
        )
        self.pending_by_age = Gauge(
            "receiver_pending_by_age",
            "Registered messages of the last 31 days without a final report, by age.",
            ("application", "age"),
            registry=registry,
        )
        self.orphans_by_age = Gauge(
            "receiver_orphans_by_age",
            "Orphans of the last 31 days, by age.",
            ("age",),
            registry=registry,
        )
        self.report_gap = Gauge(
            "receiver_report_gap_seconds",
            "Time since the last report for an application.",
            ("application",),
            registry=registry,
        )
        self.report_gap_usual = Gauge(
            "receiver_report_gap_usual_seconds",
            "Longest time without a report for an application in the days before the last one.",
            ("application",),
            registry=registry,
        )
        self.report_gap_alarm = Gauge(
            "receiver_report_gap_alarm",
            "1 while an application has been without reports for longer than its usual "
            "pattern explains, else 0.",
            ("application",),
            registry=registry,
        )
        self.delivery_seconds = Histogram(
            "receiver_delivery_seconds",
            "Time from sending to delivery of a message, according to the platform.",
            buckets=_DELIVERY_BUCKETS,
            registry=registry,
        )

    def _add_damages(self, registry: CollectorRegistry) -> None:
        self.journal_damaged = Counter(
            "receiver_journal_damages",
            "Times that the journal file or its log was found damaged.",
            registry=registry,
        )
        self.journal_lost_rows = Counter(
            "receiver_journal_lost_rows",
            "Upper bound of the rows lost from a damaged journal.",
            registry=registry,
        )
        self.journal_salvaged_rows = Counter(
            "receiver_journal_salvaged_rows",
            "Rows of a damaged journal restored from its pages.",
            registry=registry,
        )
        self.store_damaged = Counter(
            "receiver_store_damages",
            "Statements that failed because the store is damaged.",
            registry=registry,
        )

    def show_catalogue(self, version: str, rows: Iterable[tuple[str, str]]) -> None:
        """Show which catalogue decides, and count by its rows from the start.

        Args:
            version: of the catalogue.
            rows: category and code of each row that a report can have.
        """
        self._catalogue.info({"version": version})
        self.reports.show(rows)

    def names(self) -> Iterable[str]:
        """Return the names of our own metrics as a scraper sees them."""
        for family in self.registry.collect():
            if family.name.startswith("receiver_"):
                suffix = "_total" if family.type == "counter" else ""
                yield family.name + ("_info" if family.type == "info" else suffix)


class CatalogueCounter(Collector):
    """Counts by category and code, for one thread.

    The library's labels take half of the time that a node takes to start: there are some 1,800.
    """

    def __init__(self, name: str, documentation: str, *, registry: CollectorRegistry) -> None:
        """Begin without series.

        Args:
            name: of the metric.
            documentation: what it counts.
            registry: where it is scraped.
        """
        self._name = name
        self._documentation = documentation
        self._counts: dict[tuple[str, str], int] = {}
        registry.register(self)

    def show(self, rows: Iterable[tuple[str, str]]) -> None:
        """Show the series of these categories and codes, from zero where nothing was counted."""
        for row in rows:
            self._counts.setdefault(row, 0)

    def inc(self, category: str, code: str) -> None:
        """Count one."""
        self._counts[category, code] = self._counts.get((category, code), 0) + 1

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return what was counted, as the registry asks for it."""
        labels = ("category", "code")
        family = CounterMetricFamily(self._name, self._documentation, labels=labels)
        for row, count in self._counts.items():
            family.add_metric(row, count)
        yield family


def _from_zero(counter: Counter, labels: Iterable[str]) -> Counter:
    """Return a counter whose series are all there from the start, so that the first rise shows."""
    for label in labels:
        counter.labels(label)
    return counter
