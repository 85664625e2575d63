"""Runs a node until it is told to stop: sockets, signals, the certificate."""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from receiver import __version__, journal
from receiver.app.credentials import make_secrets
from receiver.app.listeners import PrivateListener, PublicListener, bind
from receiver.app.node import LAST_BATCH_S, Node
from receiver.app.options import certificate_of
from receiver.datadir import DataDirectory, held
from receiver.edge.callbacks import CALLBACK_PREFIX
from receiver.errors import SettingsError
from receiver.exposure import find_exposed
from receiver.http.tls import Certificate
from receiver.journal import Commit, Journal
from receiver.metrics import Metrics
from receiver.settings import Settings, split_address
from receiver.store.database.urls import lock_of

_log = structlog.get_logger(__name__)


# An exit status of its own for a disk that failed a sync: a supervisor restarts, people see why.
EXIT_UNTRUSTWORTHY_DISK = 74  # EX_IOERR of sysexits.h


_LAST_COMMIT_S = 1.0  # of `shutdown_seconds`
_COLLECT_AFTER = 20_000  # new objects


@dataclass(frozen=True, slots=True)
class Running:
    """A node that accepts pushes."""

    callback_url: str
    api_url: str
    api_key: str
    metrics: Metrics
    renew_certificate: Callable[[], None] | None  # None: there is none


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

    def observe_finding(finding: journal.DamageFinding) -> None:
        metrics.journal_damaged.inc()
        metrics.journal_lost_rows.inc(finding.lost)
        metrics.journal_salvaged_rows.inc(finding.salvaged)

    os.umask(0o077)  # numbers and texts are for this user alone, also in a directory made by hand
    async with contextlib.AsyncExitStack() as stack:
        directory = stack.enter_context(DataDirectory(settings.data_dir))
        store_lock = lock_of(settings.effective_store_url)
        beside = [] if store_lock is None else [store_lock.with_suffix("")]
        for warning in find_exposed(settings.data_dir, beside, repair=True):
            _log.warning(warning)
        if store_lock is not None:
            stack.enter_context(held(store_lock, "The store of `store_url`"))
        secrets = make_secrets(settings, directory)
        certificate = certificate_of(settings)
        # Both sockets first: a port that is taken must be said before anything is accepted.
        public_socket = stack.enter_context(bind("listen", *split_address(settings.listen)))
        api_socket = stack.enter_context(bind("api_listen", *split_address(settings.api_listen)))
        opened = await Journal.open(
            Path(settings.data_dir) / journal.FILE_NAME,
            limits=journal.JournalLimits(
                max_waiting=settings.journal.max_waiting,
                max_waiting_bytes=settings.journal.max_waiting_bytes,
                timeout_s=settings.journal.timeout_seconds,
                writer_timeout_s=settings.journal.writer_timeout_seconds,
            ),
            on_commit=observe_commit,
            on_loss_of_trust=on_loss_of_trust,
            on_finding=observe_finding,
        )
        stack.push_async_callback(opened.close, _LAST_COMMIT_S)
        node = Node(settings, secrets, opened, metrics)
        node.start()
        stack.push_async_callback(node.stop)
        patience = max(1.0, settings.shutdown_seconds - LAST_BATCH_S - _LAST_COMMIT_S)
        private = PrivateListener(node.private, api_socket, node.api_bounds, shutdown_s=patience)
        public = PublicListener(
            node.public,
            public_socket,
            node.limits,
            shutdown_s=patience,
            tls=certificate.context if certificate else None,
            observe_wait=metrics.read_wait.observe,
        )
        stack.push_async_callback(_stop_all, public, private)
        await private.start()
        await public.start()
        yield Running(
            callback_url=public.url + CALLBACK_PREFIX + secrets.callback_token,
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
        _log.error("certificate reload failed; keeping the previous certificate", reason=str(error))
    else:
        _log.info("certificate reloaded")


async def _stop_all(*listeners: PublicListener | PrivateListener) -> None:
    await asyncio.gather(*(listener.stop() for listener in listeners))


async def serve(settings: Settings, on_running: Callable[[Running], None]) -> int:
    """Run a node until SIGTERM or SIGINT; return the exit status.

    Raises:
        ReceiverError: it cannot start; the text says what to do.
    """
    ended = asyncio.Event()
    status = 0

    def lose_trust(error: str) -> None:
        nonlocal status
        _log.critical(
            "fsync of the journal failed; terminating so that a restart reads the "
            "journal from disk",
            error=error,
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
