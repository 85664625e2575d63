"""One running receiver: its parts, and how they start and stop."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

import structlog

from receiver.api.access.auth import Keys
from receiver.api.access.guard import RequestGuard
from receiver.api.access.protocol import Bounds
from receiver.api.base import ApiContext, Health
from receiver.api.gauges import Watch
from receiver.api.routes import make_api
from receiver.app.counters import count_changes, show_catalogue
from receiver.app.credentials import Secrets, now
from receiver.app.gates import make_gates
from receiver.app.keyring_watcher import KeyringWatcher
from receiver.app.options import (
    connections_that_fit,
    fixed_keys,
    make_guesses,
    projector_options,
    retention_of,
    silence_options,
)
from receiver.app.policies import make_policy
from receiver.domain import times
from receiver.domain.inputs import Trust
from receiver.domain.projection import Policy, ProjectedChanges
from receiver.edge.callbacks import Address, Callbacks
from receiver.edge.exchanges import RequestLimits
from receiver.edge.loop_delay import LoopDelay
from receiver.errors import JournalUnavailableError, StoreUnavailableError
from receiver.http.peers import Networks
from receiver.journal import Journal, JournalEntry, Settle
from receiver.keyring import Ring
from receiver.metrics import Metrics
from receiver.pacing import yield_factor
from receiver.privacy.erasure import Forgetter
from receiver.privacy.retention import Purger
from receiver.projector.options import ProjectorObservers
from receiver.projector.projector import Projector
from receiver.projector.reclassifier import Reclassifier
from receiver.settings import Settings, split_address
from receiver.store.idempotency import AnswerLimits
from receiver.store.store import Store

_log = structlog.get_logger(__name__)


# Of `shutdown_seconds`, what is kept for the parts behind the listeners.
LAST_BATCH_S = 1.5
_LAST_SLICE_S = 0.5
_PING_S = 2.0
_CATCH_UP_S = 5.0
_HARDLY_BEHIND_ROWS = 500
_REST_WHEN_BEHIND = 5


class Node:
    """The parts of one running receiver."""

    def __init__(
        self, settings: Settings, secrets: Secrets, opened: Journal, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._journal = opened
        self._store = Store(settings.effective_store_url, metrics.store_damaged.inc)
        self._policy = make_policy(settings)
        show_catalogue(metrics, self._policy.catalogue)
        self._projector = Projector(
            opened,
            self._store,
            self._policy,
            clock=now,
            options=projector_options(settings),
            observers=ProjectorObservers(
                on_changes=self._count,
                on_orphans=metrics.orphans.set,
                on_overdue=metrics.overdue.inc,
                on_failure=metrics.projector_failures.inc,
                on_evicted=metrics.quarantine_evicted.inc,
            ),
        )
        self._projecting: asyncio.Task[None] | None = None
        self._loop_delay = LoopDelay(metrics.loop_delay.observe)
        self._reclassifier = Reclassifier(
            self._store, opened, clock=now, yield_factor=self._history_gives_way
        )
        self._purger = Purger(
            self._store,
            retention_of(settings),
            every_s=settings.retention.purge_hours * 3600,
            clock=now,
            yield_factor=self._history_gives_way,
            on_orphans_gone=metrics.orphans.dec,
        )
        self.limits = RequestLimits(
            max_body_bytes=settings.max_body_bytes,
            max_form_bytes=settings.max_form_bytes,
            max_inflight_body_bytes=settings.max_inflight_body_bytes,
            cut_off_body_bytes=settings.retention.quarantine_body_bytes,
            cut_off_traces_per_minute=settings.cut_off_traces_per_minute,
            max_head_bytes=settings.max_head_bytes,
            request_s=settings.request_seconds,
            idle_s=settings.idle_seconds,
            max_headers=settings.max_headers,
            max_connections=connections_that_fit(
                settings.max_connections, besides=settings.api_max_connections
            ),
            max_connections_per_peer=settings.max_connections_per_peer,
            exempt_peers=Networks(settings.trusted_proxies),
        )
        self.api_bounds = Bounds(
            max_connections=settings.api_max_connections,
            request_s=settings.api_request_seconds,
            idle_s=settings.idle_seconds,
            max_head_bytes=settings.max_head_bytes,
        )
        gates = make_gates(settings, metrics, now)
        guesses = make_guesses(settings, "token", settings.wrong_tokens_per_minute, metrics)
        self.public = Callbacks(
            secrets.addresses, self._submit, metrics, now, self.limits, gates, guesses
        )
        self._settling: set[asyncio.Task[None]] = set()
        applications = dict.fromkeys(address.application for address in secrets.addresses)
        self._keys = Keys(fixed_keys(settings, secrets))
        self._ring = KeyringWatcher(
            settings.data_dir, self._keys, partial(self._take_tokens, secrets.addresses), now
        )
        self._ring.tokens_used = self.public.used
        self.public.look_for_tokens = self._ring.look_now
        silence = silence_options(settings)
        self._watch = Watch(
            self._store,
            metrics,
            list(applications),
            silence,
            clock=now,
            heard_until=self._heard_until,
        )
        self._parts = ApiContext(
            store=self._store,
            policy=self._policy,
            reload_policy=self._reload_policy,
            language=settings.language,
            keys=self._keys,
            guesses=make_guesses(settings, "key", settings.api_wrong_keys_per_minute, metrics),
            proxies=Networks(settings.api_trusted_proxies),
            look_at_keys=self._ring.look_now,
            accept=self._accept,
            clock=now,
            applications=list(applications),
            registry=metrics.registry,
            refresh_metrics=self._refresh_metrics,
            health=self._health,
            reclassifier=self._reclassifier,
            purger=self._purger,
            forgetter=Forgetter(
                opened,
                self._store,
                settings.data_dir,
                caught_up=self._caught_up,
                yield_factor=self._history_gives_way,
                on_orphans_gone=metrics.orphans.dec,
            ),
            silence=silence,
            metrics=metrics,
            caught_up=self._caught_up,
            heard_until=self._heard_until,
            overdue_after_us=projector_options(settings).overdue_after_us,
            yield_factor=self._history_gives_way,
            answer_within_us=round(settings.uplinks.answer_within_hours * 3600 * times.SECOND),
            max_body_bytes=settings.api_max_body_bytes,
            metrics_need_key=settings.metrics_need_key,
            answer_limits=AnswerLimits(**settings.idempotency.model_dump()),
        )
        hosts = [*settings.api_hosts, split_address(settings.api_listen)[0]]
        self.private = RequestGuard(
            make_api(self._parts), hosts, max_head_bytes=settings.max_head_bytes
        )
        self._ring.look()
        self._watching: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start to project."""
        self._projecting = asyncio.create_task(self._projector.run(), name="projector")
        self._watching = [
            asyncio.create_task(self._ring.run(), name="keys"),
            asyncio.create_task(self._loop_delay.run(), name="loop delay"),
        ]
        self._purger.run_regularly()

    async def stop(self) -> None:
        """Finish what was accepted, then close the files."""
        for task in self._watching:
            task.cancel()
        if self._watching:
            await asyncio.gather(*self._watching, return_exceptions=True)
            await self._ring.save_used()
        self._projector.stop()
        await self._purger.stop(_LAST_SLICE_S)
        await self._reclassifier.stop(_LAST_SLICE_S)
        if self._projecting is not None:
            done, _ = await asyncio.wait({self._projecting}, timeout=LAST_BATCH_S)
            if not done:
                self._projecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._projecting
        await self._store.close()

    async def _reload_policy(self) -> Policy:
        """Reload the catalogue file; what is decided from now on goes by it."""
        policy = await asyncio.to_thread(make_policy, self._settings)
        self._policy = self._projector.policy = self._parts.policy = policy
        show_catalogue(self._metrics, policy.catalogue)
        return policy

    def _take_tokens(self, fixed: Sequence[Address], ring: Ring) -> None:
        """Take the callback tokens into use that stand beside those of the settings."""
        retired = set(ring.retired)
        known = {one.application for one in fixed}  # others have left the settings, and their rules
        addresses = [one for one in fixed if one.digest.hex() not in retired]
        addresses += [
            Address(bytes.fromhex(one.digest), one.application, Trust.TOKEN)
            for one in ring.tokens
            if one.application in known
        ]
        self.public.take_addresses(addresses)

    def _history_gives_way(self) -> int:
        """History can wait: pushes go first, and the projector, when it is behind."""
        behind = self._journal.last_position - self._projector.position
        usual = 1 if behind < _HARDLY_BEHIND_ROWS else _REST_WHEN_BEHIND
        return max(usual, yield_factor(waiting=self._journal.waiting, behind=behind))

    def _submit(self, entry: JournalEntry, settle: Settle) -> None:
        if self._settings.ack == "journal":
            self._journal.submit(entry, settle)
            return
        task = asyncio.create_task(self._settle_when_stored(entry, settle))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle_when_stored(self, entry: JournalEntry, settle: Settle) -> None:
        try:
            position = await self._accept(entry)
        except (JournalUnavailableError, StoreUnavailableError) as error:
            settle(error)
        else:
            settle(position)

    async def _accept(self, entry: JournalEntry) -> int:
        position = await self._journal.append(entry)
        if self._settings.ack == "store":
            try:
                async with asyncio.timeout(self._settings.journal.timeout_seconds):
                    await self._projector.reached(position)
            except TimeoutError:
                raise StoreUnavailableError(
                    "The store did not process the entry in time."
                ) from None
        return position

    async def _health(self) -> Health:
        try:
            async with asyncio.timeout(_PING_S):
                await self._store.ping()
            store = True
        except (StoreUnavailableError, TimeoutError):
            store = False
        known = " ".join(self._projector.problems)
        damage = [one for one in [self._store.damage] if one and one not in known]
        running = self._projecting is not None and not self._projecting.done()
        return Health(
            journal=await self._journal.is_writable(),
            projector=running and self._projector.healthy,
            store=store and not self._store.damage,
            event_loop=self._loop_delay.longest_s <= self._settings.max_loop_delay_seconds,
            found=(*self._journal.problems, *self._projector.problems, *damage),
        )

    async def _refresh_metrics(self) -> None:
        metrics, position = self._metrics, self._projector.position
        metrics.journal_waiting.set(self._journal.waiting)
        metrics.journal_bytes.set(self._journal.total_bytes())
        metrics.lag_rows.set(self._journal.last_position - position)
        oldest = await self._journal.arrival_after(position)
        metrics.lag_seconds.set(0 if oldest is None else max(0, now() - oldest) / times.SECOND)
        await self._watch.look()

    async def _caught_up(self) -> None:
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                await self._projector.reached(self._journal.last_position)
        except TimeoutError:
            raise StoreUnavailableError(
                "The store has not processed all entries received so far. Try again."
            ) from None

    async def _heard_until(self) -> int:
        """Return the time up to which the store has processed all inputs."""
        oldest = await self._journal.arrival_after(self._projector.position)
        return now() if oldest is None else min(oldest, now())

    def _count(self, changes: ProjectedChanges) -> None:
        count_changes(changes, self._metrics, self._policy.catalogue)
