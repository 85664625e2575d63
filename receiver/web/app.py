"""The composition root: makes the parts of one node from its settings and runs them."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from receiver import __version__, journal, projector
from receiver.datadir import DataDirectory, held
from receiver.domain import rhythm, times
from receiver.domain.durations import delivery_time_us
from receiver.domain.entries import FALLBACK_ENTRY, SEND_API
from receiver.domain.events import Trust
from receiver.domain.messages import State
from receiver.errors import JournalUnavailableError, SettingsError, StoreUnavailableError
from receiver.forgetter import Forgetter
from receiver.journal import Commit, Entry, Journal, Settle
from receiver.keyring import Ring
from receiver.metrics import Metrics
from receiver.pacing import give_way
from receiver.policies import make_policy
from receiver.projection import Changes, Policy
from receiver.projector import Projector
from receiver.purger import Purger, Retention
from receiver.reclassifier import Reclassifier
from receiver.settings import DEFAULT_APPLICATION, Settings, split_address
from receiver.store.projecting import QuarantineLimits
from receiver.store.store import Store, lock_of
from receiver.web.api import make_api
from receiver.web.auth import Key, Keys, make_key
from receiver.web.callbacks import PREFIX, Address, Callbacks, address_of
from receiver.web.endpoints import Health, Parts
from receiver.web.gating import make_gates
from receiver.web.guarding import Guard
from receiver.web.http1 import Limits
from receiver.web.peers import Networks
from receiver.web.ringing import RingWatch
from receiver.web.server import PrivateListener, PublicListener, bind
from receiver.web.slowing import WrongKeys
from receiver.web.tls import Certificate
from receiver.web.watching import Watch

_log = structlog.get_logger(__name__)

TOKEN_FILE = "callback_token"  # noqa: S105 - the name of a file
KEY_FILE = "api_key"

# An exit status of its own for a disk that failed a sync: a supervisor restarts, people see why.
EXIT_UNTRUSTWORTHY_DISK = 74  # EX_IOERR of sysexits.h


@dataclass(frozen=True, slots=True)
class Secrets:
    """The secrets in force, made where the settings name none."""

    callback_token: str  # the first one; shown at the start
    addresses: tuple[Address, ...]
    api_key: str


@dataclass(frozen=True, slots=True)
class Running:
    """A node that accepts pushes."""

    callback_url: str
    api_url: str
    api_key: str
    metrics: Metrics
    renew_certificate: Callable[[], None] | None  # None: there is none


def now() -> int:
    """Give the time: microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


def make_secrets(settings: Settings, directory: DataDirectory) -> Secrets:
    """Take the secrets from the settings, or from the data directory, made when missing."""
    addresses = []
    if settings.callback_token is not None:
        token = settings.callback_token.get_secret_value()
        addresses.append((token, DEFAULT_APPLICATION))
    elif not settings.applications:
        addresses.append((directory.secret(TOKEN_FILE), DEFAULT_APPLICATION))
    for application in settings.applications:
        addresses += [(t.get_secret_value(), application.name) for t in application.tokens]
    if settings.api_key is not None:
        key = settings.api_key.get_secret_value()
    else:
        key = directory.secret(KEY_FILE)
    return Secrets(addresses[0][0], tuple(address_of(*one) for one in addresses), key)


class Node:
    """The parts of one running receiver."""

    def __init__(
        self, settings: Settings, secrets: Secrets, opened: Journal, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._journal = opened
        self._store = Store(settings.effective_store_url)
        self._policy = make_policy(settings)
        self._show_catalogue()
        self._projector = Projector(
            opened,
            self._store,
            self._policy,
            clock=now,
            options=_projector_options(settings),
            observers=projector.Observers(
                on_changes=self._count_changes,
                on_orphans=metrics.orphans.set,
                on_overdue=metrics.overdue.inc,
                on_failure=metrics.projector_failures.inc,
            ),
        )
        self._projecting: asyncio.Task[None] | None = None
        self._reclassifier = Reclassifier(self._store, clock=now, give_way=self._history_gives_way)
        self._purger = Purger(
            self._store,
            _retention(settings),
            every_s=settings.retention.purge_hours * 3600,
            clock=now,
            give_way=self._history_gives_way,
            on_orphans_gone=metrics.orphans.dec,
        )
        self.limits = Limits(
            max_body_bytes=settings.max_body_bytes,
            max_head_bytes=settings.max_head_bytes,
            request_s=settings.request_seconds,
            idle_s=settings.idle_seconds,
            max_headers=settings.max_headers,
            max_connections=_connections_that_fit(settings.max_connections),
            max_connections_per_peer=settings.max_connections_per_peer,
            exempt_peers=Networks(settings.trusted_proxies),
        )
        gates = make_gates(settings, metrics, now)
        self.public = Callbacks(secrets.addresses, self._submit, metrics, now, self.limits, gates)
        self._settling: set[asyncio.Task[None]] = set()
        applications = dict.fromkeys(address.application for address in secrets.addresses)
        self._keys = Keys(_fixed_keys(settings, secrets))
        self._ring = RingWatch(
            settings.data_dir, self._keys, partial(self._take_tokens, secrets.addresses), now
        )
        silence = _silence_options(settings)
        self._watch = Watch(
            self._store,
            metrics,
            list(applications),
            silence,
            clock=now,
            heard_until=self._heard_until,
        )
        self._parts = Parts(
            store=self._store,
            policy=self._policy,
            reload_policy=self._reload_policy,
            language=settings.language,
            keys=self._keys,
            wrong_keys=WrongKeys(settings.api_wrong_keys_per_minute),
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
                give_way=self._history_gives_way,
                on_orphans_gone=metrics.orphans.dec,
            ),
            silence=silence,
            metrics=metrics,
            caught_up=self._caught_up,
            heard_until=self._heard_until,
            overdue_after_us=_projector_options(settings).overdue_after_us,
            give_way=self._history_gives_way,
            answer_within_us=round(settings.uplinks.answer_within_hours * 3600 * times.SECOND),
            max_body_bytes=settings.api_max_body_bytes,
            metrics_need_key=settings.metrics_need_key,
        )
        hosts = [*settings.api_hosts, split_address(settings.api_listen)[0]]
        self.private = Guard(make_api(self._parts), hosts)
        self._ring.look()
        self._watching_keys: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to project."""
        self._projecting = asyncio.create_task(self._projector.run(), name="projector")
        self._watching_keys = asyncio.create_task(self._ring.run(), name="keys")
        self._purger.run_regularly()

    async def stop(self) -> None:
        """Finish what was accepted, then close the files."""
        if self._watching_keys is not None:
            self._watching_keys.cancel()
            await asyncio.gather(self._watching_keys, return_exceptions=True)
            await self._ring.save_used()
        self._projector.stop()
        await self._purger.stop(_LAST_SLICE_S)
        await self._reclassifier.stop(_LAST_SLICE_S)
        if self._projecting is not None:
            done, _ = await asyncio.wait({self._projecting}, timeout=_LAST_BATCH_S)
            if not done:
                self._projecting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._projecting
        await self._store.close()

    async def _reload_policy(self) -> Policy:
        """Read the catalogue file anew; what is decided from now on goes by it."""
        policy = await asyncio.to_thread(make_policy, self._settings)
        self._policy = self._projector.policy = self._parts.policy = policy
        self._show_catalogue()
        return policy

    def _take_tokens(self, fixed: Sequence[Address], ring: Ring) -> None:
        """Take the callback tokens into use that stand beside those of the settings."""
        retired = set(ring.retired)
        addresses = [one for one in fixed if one.digest.hex() not in retired]
        addresses += [
            Address(bytes.fromhex(one.digest), one.application, Trust.TOKEN) for one in ring.tokens
        ]
        self.public.take_addresses(addresses)

    def _show_catalogue(self) -> None:
        catalogue = self._policy.catalogue
        rows = [*catalogue.entries, FALLBACK_ENTRY]
        self._metrics.show_catalogue(
            catalogue.version,
            [(one.category.value, one.code) for one in rows if one.origin != SEND_API],
        )

    def _history_gives_way(self) -> int:
        """History can wait: pushes go first, and the projector, when it is behind."""
        behind = self._journal.last_position - self._projector.position
        usual = 1 if behind < _HARDLY_BEHIND_ROWS else _REST_WHEN_BEHIND
        return max(usual, give_way(waiting=self._journal.waiting, behind=behind))

    def _submit(self, entry: Entry, settle: Settle) -> None:
        if self._settings.ack == "journal":
            self._journal.submit(entry, settle)
            return
        task = asyncio.create_task(self._settle_when_stored(entry, settle))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def _settle_when_stored(self, entry: Entry, settle: Settle) -> None:
        try:
            position = await self._accept(entry)
        except (JournalUnavailableError, StoreUnavailableError) as error:
            settle(error)
        else:
            settle(position)

    async def _accept(self, entry: Entry) -> int:
        position = await self._journal.append(entry)
        if self._settings.ack == "store":
            try:
                async with asyncio.timeout(self._settings.journal.timeout_seconds):
                    await self._projector.reached(position)
            except TimeoutError:
                raise StoreUnavailableError("The store did not take the entry in time.") from None
        return position

    async def _health(self) -> Health:
        try:
            async with asyncio.timeout(_PING_S):
                await self._store.ping()
            store = True
        except (StoreUnavailableError, TimeoutError):
            store = False
        running = self._projecting is not None and not self._projecting.done()
        return Health(
            journal=await self._journal.is_writable(),
            projector=running and self._projector.healthy,
            store=store,
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
                "The store does not have yet what came up to now; try again."
            ) from None

    async def _heard_until(self) -> int:
        """Give the time up to which the store knows all that was heard."""
        oldest = await self._journal.arrival_after(self._projector.position)
        return now() if oldest is None else min(oldest, now())

    def _count_changes(self, changes: Changes) -> None:
        metrics, catalogue = self._metrics, self._policy.catalogue
        for report in changes.reports:
            match = catalogue.lookup(report.status, source=report.source, org_code=report.org_code)
            # The label is the catalogue's row, never what a stranger wrote.
            metrics.reports.labels(match.entry.category.value, match.entry.code).inc()
            if match.is_unknown:
                metrics.unknown_codes.inc()
        for quarantined in changes.quarantined:
            metrics.quarantined.labels(quarantined.kind).inc()
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
            if uplink.is_new and uplink.intent:
                metrics.opt_outs.labels(uplink.intent.value).inc()
        metrics.sends.inc(changes.sends)
        metrics.orphans.inc(changes.orphans_found - changes.orphans_bound)
        metrics.orphans_bound.inc(changes.orphans_bound)


# Of `shutdown_seconds`, what is kept for the parts behind the listeners.
_LAST_BATCH_S = 1.5
_LAST_SLICE_S = 0.5
_LAST_COMMIT_S = 1.0
_PING_S = 2.0
_CATCH_UP_S = 5.0
_HARDLY_BEHIND_ROWS = 500
_REST_WHEN_BEHIND = 5
_FILES_OF_OURS = 256  # stores, journal, private listener, and some to spare
_COLLECT_AFTER = 20_000  # new objects


def _projector_options(settings: Settings) -> projector.Options:
    hour = 3600 * times.SECOND
    return projector.Options(
        batch_rows=settings.projector.batch_rows,
        batch_bytes=settings.projector.batch_bytes,
        slice_s=settings.projector.slice_milliseconds / 1000,
        overdue_after_us=round(settings.projector.overdue_after_hours * hour),
        journal_kept_us=round(settings.retention.journal_hours * hour),
        silence=_silence_options(settings),
        quarantine=QuarantineLimits(
            rows=settings.retention.quarantine_rows,
            body_bytes=settings.retention.quarantine_body_bytes,
        ),
    )


def _certificate(settings: Settings) -> Certificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificate(settings.tls_certificate, settings.tls_key)


def _connections_that_fit(wanted: int) -> int:
    """Let the process have as many files as it may, and give how many connections that allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - _FILES_OF_OURS)
    if allowed < wanted:
        _log.warning("fewer connections than `max_connections`: too few files", allowed=allowed)
    return max(1, allowed)


def _fixed_keys(settings: Settings, secrets: Secrets) -> list[Key]:
    keys = [make_key("default", secrets.api_key, ["admin"])]
    for key in settings.api_keys:
        made = make_key(key.name, key.key.get_secret_value(), key.scopes)
        keys.append(replace(made, application=key.application, expires_at=key.expires_at))
    return keys


def _retention(settings: Settings) -> Retention:
    retention = settings.retention
    return Retention(
        messages_days=retention.messages_days,
        numbers_days=retention.numbers_days,
        texts_days=retention.texts_days,
        raw_days=retention.raw_days,
        quarantine_days=retention.quarantine_days,
    )


def _silence_options(settings: Settings) -> rhythm.Options:
    silence = settings.silence
    return rhythm.Options(
        floor_us=round(silence.floor_minutes * 60 * times.SECOND),
        factor=silence.factor,
        days=silence.days,
        min_heard=silence.min_heard,
    )


@contextlib.asynccontextmanager
async def running(
    settings: Settings, on_loss_of_trust: Callable[[str], None]
) -> AsyncIterator[Running]:
    """Run a node: inside the context it accepts pushes; on leaving it ends without loss.

    Raises:
        ReceiverError: it cannot start; the text says what to do.
    """
    metrics = Metrics(__version__)

    def observe_commit(commit: Commit) -> None:
        metrics.commit_entries.observe(commit.entries)
        metrics.commit_seconds.observe(commit.seconds)

    os.umask(0o077)  # numbers and texts are for this user alone, also in a directory made by hand
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(DataDirectory(settings.data_dir))
        store_lock = lock_of(settings.effective_store_url)
        if store_lock is not None:
            stack.enter_context(held(store_lock, "The store of `store_url`"))
        secrets = make_secrets(settings, directory)
        certificate = _certificate(settings)
        # Both sockets first: a port that is taken must be said before anything is accepted.
        public_socket = stack.enter_context(bind("listen", *split_address(settings.listen)))
        api_socket = stack.enter_context(bind("api_listen", *split_address(settings.api_listen)))
        opened = await Journal.open(
            Path(settings.data_dir) / journal.FILE_NAME,
            limits=journal.Limits(
                max_waiting=settings.journal.max_waiting,
                max_waiting_bytes=settings.journal.max_waiting_bytes,
                timeout_s=settings.journal.timeout_seconds,
            ),
            on_commit=observe_commit,
            on_loss_of_trust=on_loss_of_trust,
        )
        stack.push_async_callback(opened.close, _LAST_COMMIT_S)
        node = Node(settings, secrets, opened, metrics)
        node.start()
        stack.push_async_callback(node.stop)
        patience = max(1.0, settings.shutdown_seconds - _LAST_BATCH_S - _LAST_COMMIT_S)
        private = PrivateListener(node.private, api_socket, shutdown_s=patience)
        public = PublicListener(
            node.public,
            public_socket,
            node.limits,
            shutdown_s=patience,
            tls=certificate.context if certificate else None,
        )
        stack.push_async_callback(_stop_all, public, private)
        await private.start()
        await public.start()
        yield Running(
            callback_url=public.url + PREFIX + secrets.callback_token,
            api_url=private.url,
            api_key=secrets.api_key,
            metrics=metrics,
            renew_certificate=partial(_renew, certificate) if certificate else None,
        )


def _renew(certificate: Certificate) -> None:
    """Take a renewed certificate into use; one that cannot be used is told, the old one stays."""
    try:
        certificate.renew()
    except SettingsError as error:
        _log.error("the certificate was not renewed", reason=str(error))
    else:
        _log.info("the certificate was read anew")


async def _stop_all(*listeners: PublicListener | PrivateListener) -> None:
    await asyncio.gather(*(listener.stop() for listener in listeners))


async def serve(settings: Settings, on_running: Callable[[Running], None]) -> int:
    """Run a node until SIGTERM or SIGINT; give the exit status.

    Raises:
        ReceiverError: it cannot start; the text says what to do.
    """
    ended = asyncio.Event()
    status = 0

    def lose_trust(error: str) -> None:
        nonlocal status
        _log.critical(
            "the disk failed a sync, ending so that the journal is read anew", error=error
        )
        status = EXIT_UNTRUSTWORTHY_DISK
        ended.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with running(settings, lose_trust) as node:
        if node.renew_certificate is not None:
            loop.add_signal_handler(signal.SIGHUP, node.renew_certificate)
        # What was made up to here stays for good: the collector need not look at it again, and
        # may look at the rest less often (a fifth more acknowledgements per second).
        gc.collect()
        gc.freeze()
        gc.set_threshold(_COLLECT_AFTER, 20, 100)
        on_running(node)
        await ended.wait()
        _log.info("ending")
    return status
