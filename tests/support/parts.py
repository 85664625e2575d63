"""Real parts of a receiver, put together and fed by tests, with a clock that is passed in."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from sqlalchemy import Table, select
from starlette.types import ASGIApp

from receiver import __version__
from receiver.app.credentials import make_secrets
from receiver.app.node import Node
from receiver.datadir import DataDirectory
from receiver.domain import times
from receiver.domain.projection import Policy, ProjectedChanges
from receiver.domain.reclassification import Run
from receiver.edge import exchanges, http1
from receiver.http.problems import MEDIA_TYPE
from receiver.huawei.catalogue import load_catalogue
from receiver.journal import FILE_NAME, Commit, Journal, JournalEntry, JournalLimits
from receiver.metrics import Metrics
from receiver.projector.options import ProjectorObservers, ProjectorOptions
from receiver.projector.projector import Projector
from receiver.projector.reclassifier import Reclassifier, RunPhase
from receiver.settings import Settings
from receiver.store.schema import metadata
from receiver.store.store import Store
from tests.support.server import MAX_LOOP_DELAY_SECONDS, NO_CERTIFICATES, OVERDUE_AFTER_HOURS

ROOT = Path(__file__).parents[2]
TOKEN = "token-of-the-component-tests-0123"  # noqa: S105 - of no service
KEY = "key-of-the-component-tests-012345"
NOW = 1_700_000_000 * times.SECOND  # 2023-11-14T22:13:20Z
HOUR = 3600 * times.SECOND
PATIENCE_S = 60.0


# --- pushes and files ---------------------------------------------------------------------------


def form(**fields: str) -> bytes:
    """Write a form as the platform does; `from_` stands for `from`."""
    pairs = (f"{name.rstrip('_')}={quote(value, safe='')}" for name, value in fields.items())
    return "&".join(pairs).encode()


def batch(items: Iterable[Mapping[str, Any]]) -> bytes:
    """Write a batch of status reports."""
    return json.dumps({"statusReportList": list(items)}, separators=(",", ":")).encode()


def read_rows(file: Path, sql: str) -> list[tuple[Any, ...]]:
    """Read from a SQLite file by a connection of its own that cannot write."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as connection:
        return connection.execute(sql).fetchall()


@contextmanager
def write_lock(file: Path) -> Iterator[None]:
    """Hold the write lock of a SQLite file, as another program would."""
    connection = sqlite3.connect(file, isolation_level=None, timeout=10, check_same_thread=False)
    with closing(connection):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


@asynccontextmanager
async def a_write_lock(file: Path) -> AsyncIterator[None]:
    """Do as `write_lock` while the event loop goes on: something that it runs may hold the lock."""
    with ExitStack() as held:
        await asyncio.to_thread(held.enter_context, write_lock(file))
        yield


# --- journal ------------------------------------------------------------------------------------


def entry(body: bytes = b"", kind: str = "status", **changes: Any) -> JournalEntry:
    """Make an entry as the public edge does."""
    usual = JournalEntry(kind, "default", NOW, "192.0.2.1", "open", "content-type: x", body)
    return usual._replace(**changes)


@asynccontextmanager
async def a_journal(
    directory: Path, *, commits: list[Commit] | None = None, **limits: Any
) -> AsyncIterator[Journal]:
    """Open the journal of a directory."""
    opened = await Journal.open(
        directory / FILE_NAME,
        limits=JournalLimits(**limits),
        on_commit=(commits if commits is not None else []).append,
    )
    try:
        yield opened
    finally:
        await opened.close()


def break_journal(directory: Path) -> None:
    """Let every write to the journal's file fail, until `mend_journal`."""
    _change_journal(
        directory,
        "CREATE TRIGGER a BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER b BEFORE INSERT ON meta BEGIN SELECT RAISE(ABORT, 'no'); END",
        "CREATE TRIGGER c BEFORE DELETE ON journal BEGIN SELECT RAISE(ABORT, 'no'); END",
    )


def mend_journal(directory: Path) -> None:
    """Undo `break_journal`."""
    _change_journal(directory, *(f"DROP TRIGGER {name}" for name in "abc"))


def _change_journal(directory: Path, *statements: str) -> None:
    with closing(sqlite3.connect(directory / FILE_NAME, timeout=10)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


# --- store --------------------------------------------------------------------------------------


@asynccontextmanager
async def a_store(url: str, *, prepared: bool = True) -> AsyncIterator[Store]:
    """Open a store."""
    opened = Store(url)
    try:
        if prepared:
            await opened.prepare()
        yield opened
    finally:
        await opened.close()


async def rows_of(store: Store, table: Table) -> list[dict[str, Any]]:
    """Return all rows of a table in the order of their first column."""
    async with store.reading() as connection:
        found = await connection.execute(select(table).order_by(next(iter(table.c))))
        return [dict(row) for row in found.mappings()]


async def counts_of(store: Store) -> dict[str, int]:
    """Return the number of rows of every table that holds something but counts of the others."""
    counts = {
        name: len(await rows_of(store, table))
        for name, table in metadata.tables.items()
        if name not in ("statistics", "rhythms")
    }
    return {name: count for name, count in counts.items() if count}


# --- projector ----------------------------------------------------------------------------------


@cache
def policy() -> Policy:
    """Return the usual rules of decision."""
    return Policy(load_catalogue())


@dataclass
class Projecting:
    """A projector at work, and what its observers were told."""

    projector: Projector
    journal: Journal
    task: asyncio.Task[None]
    changes: list[ProjectedChanges]
    orphans: list[int]
    overdue: list[int]
    failures: list[None]
    evicted: list[int]

    async def until(self, seen: Callable[[], object], what: str) -> None:
        """Wait until something is seen; a projector that ended is an error."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not seen():
                    if self.task.done():
                        self.task.result()
                        raise AssertionError(f"the projector ended before: {what}")
                    await asyncio.sleep(0.005)
                return
        raise AssertionError(f"after {PATIENCE_S} s still not: {what}")

    async def caught_up(self) -> None:
        """Wait until the store has all that the journal has."""
        await self.until(
            lambda: self.projector.position >= self.journal.last_position,
            f"the store has everything up to {self.journal.last_position}",
        )


@asynccontextmanager
async def a_projector(
    journal: Journal,
    store: Store,
    *,
    clock: Callable[[], int] = lambda: NOW,
    rules: Policy | None = None,
    **options: Any,
) -> AsyncIterator[Projecting]:
    """Run a projector; it ends as abruptly as in a process that is killed."""
    changes: list[ProjectedChanges] = []
    orphans: list[int] = []
    overdue: list[int] = []
    failures: list[None] = []
    evicted: list[int] = []
    projector = Projector(
        journal,
        store,
        rules or policy(),
        clock=clock,
        options=ProjectorOptions(**options),
        observers=ProjectorObservers(
            on_changes=changes.append,
            on_orphans=orphans.append,
            on_overdue=overdue.append,
            on_failure=lambda: failures.append(None),
            on_evicted=evicted.append,
        ),
    )
    task = asyncio.create_task(projector.run())
    try:
        yield Projecting(projector, journal, task, changes, orphans, overdue, failures, evicted)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def project(journal: Journal, store: Store, **options: Any) -> None:
    """Bring the store up to date with the journal, by a projector of its own."""
    async with a_projector(journal, store, **options) as projecting:
        await projecting.caught_up()


# --- a whole node -------------------------------------------------------------------------------


@dataclass
class Served:
    """A node: its public listener on a port, its private application without one."""

    node: Node
    journal: Journal
    metrics: Metrics
    public: httpx.AsyncClient
    api: httpx.AsyncClient
    directory: Path

    async def push(self, body: bytes, token: str = TOKEN) -> httpx.Response:
        """Push a body as the platform would."""
        return await self.public.post(f"/callbacks/{token}", content=body)

    async def register(self, **document: Any) -> None:
        """Register sends, which must be taken."""
        answer = await self.api.post("/v1/sends", json=document)
        assert answer.status_code == 202, answer.text

    async def get(self, path: str, **parameters: str) -> Any:
        """Get a document that must be there."""
        answer = await self.api.get(path, params=parameters)
        assert answer.status_code == 200, f"GET {path}: {answer.status_code} {answer.text}"
        return answer.json()


def check_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Assert that an answer is a problem document; return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPE
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["type"].startswith("urn:receiver:problem:")
    assert document["title"]
    assert document["detail"]
    return document


async def until_answered(api: httpx.AsyncClient, path: str) -> None:
    """Ask again and again until the answer is 200."""
    async with asyncio.timeout(PATIENCE_S):
        while (await api.get(path)).status_code != HTTPStatus.OK:  # noqa: ASYNC110 - as a client has to
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_node(directory: Path, *, ready: bool = True, **changes: Any) -> AsyncIterator[Served]:
    """Run a node of the composition root on a directory; what was pushed is visible at once.

    Args:
        directory: its data directory.
        ready: wait until it can be asked.
        changes: settings.
    """
    settings = Settings(
        **{
            "data_dir": directory,
            "callback_token": TOKEN,
            "api_key": KEY,
            "ack": "store",
            "projector": {"overdue_after_hours": OVERDUE_AFTER_HOURS},
            "max_loop_delay_seconds": MAX_LOOP_DELAY_SECONDS,
            **changes,
        }
    )
    metrics = Metrics(__version__)
    limits: dict[str, Any] = {
        "max_waiting": settings.journal.max_waiting,
        "timeout_s": settings.journal.timeout_seconds,
    }
    with DataDirectory(directory) as held:
        async with a_journal(directory, **limits) as journal:
            node = Node(settings, make_secrets(settings, held), journal, metrics)
            node.start()
            try:
                async with (
                    a_public_client(node.public, node.limits) as public,
                    _api_client(node.private) as api,
                ):
                    served = Served(node, journal, metrics, public, api, directory)
                    if ready:
                        await until_answered(api, "/v1/messages")
                    yield served
            finally:
                await node.stop()


@asynccontextmanager
async def a_listener(
    handler: exchanges.Handler, limits: exchanges.RequestLimits
) -> AsyncIterator[int]:
    """Listen on a free port for a handler of pushes; return the port. It ends abruptly."""
    edge = http1.Edge(handler, limits)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: http1.PublicConnection(edge), "127.0.0.1", 0)
    ticking = asyncio.create_task(_tick(edge))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ticking.cancel()
        server.close()
        for connection in list(edge.connections):
            connection.abort()
        await asyncio.wait({ticking})


async def _tick(edge: http1.Edge) -> None:
    while True:
        await asyncio.sleep(0.02)
        edge.tick()


@asynccontextmanager
async def a_public_client(
    handler: exchanges.Handler, limits: exchanges.RequestLimits
) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client for a handler of pushes, over a port."""
    async with (
        a_listener(handler, limits) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=NO_CERTIFICATES
        ) as client,
    ):
        yield client


def _api_client(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, client=("192.0.2.7", 40_000)),
        base_url="http://localhost",
        headers={"authorization": f"Bearer {KEY}"},
    )


# --- reclassification -----------------------------------------------------------------------------


async def now_of(reclassifier: Reclassifier) -> tuple[Run, RunPhase]:
    """Return the progress of a run that there must be."""
    newest = await reclassifier.progress()
    assert newest is not None
    return newest


async def ended(reclassifier: Reclassifier) -> tuple[Run, RunPhase]:
    """Wait until a run is at rest."""
    async with asyncio.timeout(PATIENCE_S):
        while (newest := await now_of(reclassifier))[1] is RunPhase.RUNNING:  # noqa: ASYNC110 - as a client has to
            await asyncio.sleep(0.002)
    return newest


async def finished(reclassifier: Reclassifier) -> Run:
    """Wait for the end of a run, which must be a good one."""
    run, phase = await ended(reclassifier)
    assert phase is RunPhase.FINISHED
    return run
