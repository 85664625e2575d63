"""Metrics: the documented names, and no label that a stranger can choose."""

import asyncio
import random
from pathlib import Path
from typing import Any
from urllib.parse import quote

from prometheus_client import CollectorRegistry

from receiver.domain.messages.conflicts import COMPARED
from receiver.metrics import Metrics
from tests.support.parts import TOKEN, a_node, batch, form, policy
from tests.support.server import at_length

# The names that operators build alerts and dashboards on; the README says what each one means.
NAMES = {
    "receiver_ack_seconds",
    "receiver_api_refused_total",
    "receiver_guessers_forgotten_total",
    "receiver_idempotency_evicted_total",
    "receiver_build_info",
    "receiver_catalogue_info",
    "receiver_delivery_seconds",
    "receiver_event_loop_delay_seconds",
    "receiver_journal_bytes",
    "receiver_journal_commit_entries",
    "receiver_journal_commit_seconds",
    "receiver_journal_damages_total",
    "receiver_journal_lost_rows_total",
    "receiver_journal_salvaged_rows_total",
    "receiver_journal_waiting",
    "receiver_last_push_timestamp_seconds",
    "receiver_opt_outs_total",
    "receiver_retries_claimed",
    "receiver_retries_due",
    "receiver_retries_lease_expired_total",
    "receiver_retries_saved_total",
    "receiver_retries_total",
    "receiver_retry_breakers_open",
    "receiver_orphans",
    "receiver_orphans_bound_total",
    "receiver_orphans_by_age",
    "receiver_overdue_total",
    "receiver_pending_by_age",
    "receiver_projector_failures_total",
    "receiver_projector_lag_rows",
    "receiver_projector_lag_seconds",
    "receiver_push_items",
    "receiver_read_wait_seconds",
    "receiver_push_signatures_total",
    "receiver_pushes_cut_off_total",
    "receiver_pushes_total",
    "receiver_quarantine_evicted_total",
    "receiver_quarantined_total",
    "receiver_redeliveries_total",
    "receiver_registration_conflicts_total",
    "receiver_report_gap_alarm",
    "receiver_report_gap_seconds",
    "receiver_report_gap_usual_seconds",
    "receiver_reports_total",
    "receiver_sends_total",
    "receiver_store_damages_total",
    "receiver_suppressed",
    "receiver_unknown_codes_total",
    "receiver_uplinks_total",
}
SENT, UPDATED = "2023-11-14T22:00:00Z", "2023-11-14T22:10:00Z"


def values(registry: CollectorRegistry) -> dict[str, float]:
    """Return the value of every series of our own, labels in its name."""
    return {
        sample.name + "".join(f" {n}={v}" for n, v in sorted(sample.labels.items())): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name.startswith("receiver_") and not sample.name.endswith("_created")
    }


def report(sms_msg_id: str, status: str = "DELIVRD") -> dict[str, Any]:
    """Make an item of a batch."""
    return {"smsMsgId": sms_msg_id, "status": status, "updateTime": UPDATED, "source": "2"}


def test_the_names_are_the_documented_ones() -> None:
    """Whoever adds or renames a metric changes the list, and with it the README."""
    assert set(Metrics("1.0").names()) == NAMES
    assert len(list(Metrics("1.0").names())) == len(NAMES)


def test_every_metric_is_explained() -> None:
    """Each metric has a help text that ends as a sentence."""
    for family in Metrics("1.0").registry.collect():
        if family.name.startswith("receiver_"):
            assert family.documentation.endswith("."), family.name


def test_two_instances_count_apart() -> None:
    """Each instance has a registry of its own."""
    one, two = Metrics("1.0"), Metrics("2.0")
    one.sends.inc()
    assert values(one.registry)["receiver_sends_total"] == 1
    assert values(two.registry)["receiver_sends_total"] == 0
    assert values(two.registry)["receiver_build_info version=2.0"] == 1


async def test_what_happened_is_counted(tmp_path: Path) -> None:
    """Each push, report, redelivery, send, orphan and quarantined item is counted once."""
    async with a_node(tmp_path) as served:
        await served.push(batch([report("a"), report("b"), {}]))
        await served.push(batch([report("a")]))
        await served.push(form(**report("c", "never heard of")))
        await served.push(form(smsMsgId="u", from_="15500005172", to="1069", body="R"))
        await served.push(b"nonsense")
        await served.push(b"", "wrong")
        await served.register(
            sends=[{"sms_msg_id": "a", "sent_at": SENT}, {"sms_msg_id": "d", "sent_at": SENT}]
        )
        await served.push(form(**report("d")))
        await served.api.get("/metrics")
        seen = values(served.metrics.registry)
    expected = {
        "receiver_pushes_total kind=batch outcome=accepted": 2,
        "receiver_pushes_total kind=status outcome=accepted": 2,
        "receiver_pushes_total kind=uplink outcome=accepted": 1,
        "receiver_pushes_total kind=unknown outcome=unusable": 1,
        "receiver_pushes_total kind=unknown outcome=unknown_token": 1,
        "receiver_push_items_sum": 6,  # 2 usable + 1 + 1 + 1 + 1
        "receiver_push_items_count": 5,
        "receiver_ack_seconds_count": 5,
        "receiver_reports_total category=delivered code=DELIVRD": 3,
        "receiver_reports_total category=unknown code=*": 1,
        "receiver_unknown_codes_total": 1,
        "receiver_redeliveries_total": 1,
        "receiver_uplinks_total": 1,
        "receiver_opt_outs_total intent=opt-out": 1,
        "receiver_sends_total": 2,
        "receiver_orphans": 2,  # b and c
        "receiver_orphans_bound_total": 1,  # a
        "receiver_quarantined_total kind=batch": 1,
        "receiver_quarantined_total kind=unusable": 1,
        "receiver_delivery_seconds_count": 2,  # a when it was registered, d when it was reported
        "receiver_delivery_seconds_sum": 1200,  # 22:00 to 22:10, twice
        "receiver_orphans_by_age age=under_1h": 2,
        "receiver_orphans_by_age age=over_72h": 0,
        "receiver_pending_by_age age=under_1h application=default": 0,  # a and d are long past
        "receiver_report_gap_alarm application=default": 0,
        "receiver_projector_lag_rows": 0,
        "receiver_projector_lag_seconds": 0,
        "receiver_journal_waiting": 0,
    }
    assert {name: seen.get(name) for name in expected} == expected
    assert 0 <= seen["receiver_report_gap_seconds application=default"] < 60
    assert seen["receiver_journal_bytes"] > 0
    assert seen["receiver_last_push_timestamp_seconds application=default"] > 1_700_000_000


async def test_no_label_takes_what_a_stranger_wrote(tmp_path: Path) -> None:
    """Random codes, tokens, paths, methods, ids and kinds add no series beyond the bounded ones."""
    dice = random.Random(7)  # noqa: S311 - no secret

    def strange() -> str:
        return "".join(dice.choices("abcXYZ0189:*-_ é%", k=dice.randint(1, 12)))

    catalogue = policy().catalogue
    listed = {entry.code for entry in catalogue.entries} | {"*"}
    categories = {entry.category.value for entry in catalogue.entries} | {"unknown"}
    bounds = {
        "category": categories,
        "code": listed,
        "application": {"default"},
        "intent": {"opt-out", "opt-in"},
        "field": set(COMPARED.values()),
        "reason": {"wrong_key", "expired", "slowed", "scope"},
        "secret": {"key", "token"},
        "source": {"hand", "uplink", "code"},
        "age": {"under_1h", "1h_to_6h", "6h_to_24h", "24h_to_72h", "over_72h"},
        "kind": {"status", "batch", "uplink", "unusable", "unknown", "sends"},
        "outcome": {
            "accepted", "unavailable", "unusable", "unknown_token", "wrong_method", "malformed",
            "too_large", "too_slow", "failed", "crowded", "wrong_address", "unsigned",
            "slowed",
        },
    }  # fmt: skip
    async with a_node(tmp_path) as served:
        items = [
            {**report(f"m{n}", strange()), "orgCode": strange(), strange(): strange()}
            for n in range(500)
        ]
        for at in range(0, 500, 50):
            await served.push(batch(items[at : at + 50]))
        for _ in range(50):
            await served.push(b"", strange().replace("%", ""))
            await served.push(strange().encode())
            await served.public.request(strange()[:1].strip("%: é") or "X", f"/callbacks/{TOKEN}")
            await served.api.get("/v1/" + strange().replace("%", ""))
        await served.api.get("/metrics")
        series = 0
        for family in served.metrics.registry.collect():
            for sample in family.samples:
                if not sample.name.startswith("receiver_"):
                    continue
                series += 1
                for name, value in sample.labels.items():
                    if name in bounds:
                        assert value in bounds[name], (sample.name, name)
                    else:
                        assert name in ("le", "version"), (sample.name, name)
        assert values(served.metrics.registry)["receiver_unknown_codes_total"] > 100
    # Every series that there can be, buckets and times of creation included.
    assert series < 300 + len(listed)


async def test_strangers_add_no_series(tmp_path: Path) -> None:
    """Thousands of random status strings and of paths leave the number of series as it was."""
    statuses = at_length(3_000, 10_000)
    dice = random.Random(11)  # noqa: S311 - no secret

    def strange() -> str:
        return "".join(dice.choices("GHJQVWXYZ0189*-_ é%", k=dice.randint(4, 14)))

    async with a_node(tmp_path) as served:
        await served.push(batch([report("first", "GHJ-unheard-of")]))
        for path in ("/", "/callbacks/x"):
            await served.public.post(path)
        before = len(values(served.metrics.registry))
        for start in range(0, statuses, 50):
            await served.push(batch([report(f"m{start + n}", strange()) for n in range(50)]))
        url = served.public.base_url
        for _ in range(20):
            paths = [f"/callbacks/{quote(strange())}", f"/{quote(strange())}"] * 50
            await _ask_all(url.host, url.port or 0, paths)
        assert len(values(served.metrics.registry)) == before
        assert values(served.metrics.registry)["receiver_unknown_codes_total"] > 0.99 * statuses


async def _ask_all(host: str, port: int, paths: list[str]) -> None:
    """Ask for paths, each on a connection of its own: a stranger has one answer of each."""

    async def ask(path: str) -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"POST {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 404")
        writer.close()

    await asyncio.gather(*map(ask, paths))
