"""What pytest does for all tests: their environment, their order, coroutines and stores."""

import asyncio
import inspect
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from receiver.store.database.urls import default_url
from tests.support import forking
from tests.support.postgresql import empty, postgresql

pytest.register_assert_rewrite("tests.support.parts")

# No property is timed: a busy machine is no defect. In CI the examples are the same each time, so
# that a change is judged by what it changes; elsewhere every run looks at new ones.
hypothesis_settings.register_profile(
    "receiver",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
hypothesis_settings.load_profile("receiver")

# What the tests start is to load compiled modules, as an installation does: without them each of
# several hundred processes takes a second longer.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A shell starts what it runs in the background deaf to Ctrl-C, `nohup` deaf to the end of the
# terminal, and so would be the processes that the tests start and interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


# --- running ------------------------------------------------------------------------------------


def pytest_configure() -> None:
    """Fork receivers: only here, for experiments start an interpreter for each."""
    forking.allow()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files, so that neither of two workers is left with them at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    with asyncio.Runner() as runner:
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture(autouse=True)
def _unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    for name in os.environ:
        if name.startswith("RECEIVER_") and not name.startswith("RECEIVER_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Return the URL of a PostgreSQL server of this process, which tests have in turns."""
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the URL of an empty store, in SQLite and in PostgreSQL."""
    if request.param == "sqlite":
        return default_url(tmp_path)
    url: str = request.getfixturevalue("postgresql_url")
    empty(url)
    return url
