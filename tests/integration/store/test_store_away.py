"""A PostgreSQL that cannot be reached: what is said of it, and what never is."""

from typing import Any

import pytest
from sqlalchemy import make_url

from receiver.errors import SettingsError, StoreUnavailableError
from receiver.store.database.urls import check_url
from receiver.store.store import Store
from tests.support.server import free_port

PASSWORD = "s3cr/t w@rd"  # noqa: S105 - of no service
ENCODED = "s3cr%2Ft%20w%40rd"


def away() -> list[Any]:
    """Return URLs that lead nowhere, and what is said of each."""
    port = free_port()
    here = f"postgresql://rita:{ENCODED}@127.0.0.1:{port}/letters"
    return [
        pytest.param(
            here,
            f"PostgreSQL, host 127.0.0.1, port {port}, database letters, user rita: .*refused",
            id="refused",
        ),
        pytest.param(
            f"postgresql://rita:{ENCODED}@no-such-host.invalid/letters",
            r"host no-such-host\.invalid, port 5432, database letters, user rita: .*resolve host",
            id="unknown host",
        ),
        pytest.param(
            f"postgresql://rita:{ENCODED}@/letters?host=/nowhere",
            r"host /nowhere, port 5432, database letters, user rita: .*/nowhere/\.s\.PGSQL",
            id="no socket",
        ),
        pytest.param(
            f"{here}?bogus=1", 'user rita: invalid connection option "bogus"', id="unknown option"
        ),
        pytest.param(
            f"postgresql://127.0.0.1:{port}/letters?user=rita&password={ENCODED}",
            f"host 127.0.0.1, port {port}, database letters, user rita: .*refused",
            id="user and password as parameters",
        ),
    ]


def said_to_be(url: str) -> list[Any]:
    """Return wrong ways to reach a server that answers."""
    right = make_url(url)
    secret = right.set(password=PASSWORD)
    return [
        (secret, "password authentication failed|FATAL"),
        (right.set(database="no_such_database"), 'database "no_such_database" does not exist'),
        (right.set(username="nobody_known", password=PASSWORD), "nobody_known"),
    ]


@pytest.mark.parametrize(("url", "said"), away())
@pytest.mark.parametrize("step", ["prepare", "reach", "ping"])
async def test_what_is_away_is_named(url: str, said: str, step: str) -> None:
    """Host, port, database, user and the driver's reason are said, the password in no form."""
    store = Store(url)
    with pytest.raises(StoreUnavailableError, match=said) as error:
        await getattr(store, step)()
    await store.close()
    for form in (PASSWORD, ENCODED, "s3cr"):
        assert form not in str(error.value)


@pytest.mark.parametrize("place", range(3), ids=["password", "database", "user"])
async def test_what_a_server_says_is_passed_on(place: int, postgresql_url: str) -> None:
    """A server's own words about password, database and user are said, without the password."""
    url, said = said_to_be(postgresql_url)[place]
    store = Store(url.render_as_string(hide_password=False))
    with pytest.raises(StoreUnavailableError, match=said) as error:
        await store.prepare()
    await store.close()
    assert PASSWORD not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://rita:12@s3cr@host/letters", id="an @ in the password"),
        pytest.param("postgresql://rita:12@s3cr/ab@host/letters", id="an @ and a slash in it"),
        pytest.param("postgresql://rita:x@a..b/letters", id="a host of empty labels"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(url: str) -> None:
    """What would show a part of a password as another part is refused without showing it."""
    with pytest.raises(SettingsError, match="store_url") as error:
        check_url(url)
    assert "s3cr" not in str(error.value)
