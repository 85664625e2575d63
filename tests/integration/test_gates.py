"""Who may push: signed or not, from which address, by which proxy; and how far it is believed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from receiver.app.credentials import make_secrets, now
from receiver.datadir import DataDirectory
from receiver.errors import DataDirectoryError
from receiver.settings import Settings
from tests.support.parts import TOKEN, Served, a_node, check_problem, form
from tests.support.signer import NEXT_PAIR, PAIR, sign

BODY = form(smsMsgId="m1", status="DELIVRD", source="2")
PATH = f"/callbacks/{TOKEN}"
KEYS = [{"access_key": name, "secret_key": secret} for name, secret in (PAIR, NEXT_PAIR)]
HERE = ["127.0.0.0/8"]
ELSEWHERE = ["192.0.2.0/24"]


def host_of(served: Served) -> str:
    """Return the host that the client sends."""
    url = served.public.base_url
    return f"{url.host}:{url.port}"


async def push(served: Served, headers: dict[str, str], body: bytes = BODY) -> httpx.Response:
    """Push with these headers."""
    return await served.public.post(PATH, content=body, headers=headers)


@asynccontextmanager
async def a_signed_node(directory: Path, **more: Any) -> AsyncIterator[Served]:
    """Run a node whose pushes have to be signed."""
    async with a_node(directory, **{"push_keys": KEYS, **more}) as served:
        yield served


async def trust_of(served: Served, sms_msg_id: str = "m1") -> str:
    """Return how far a message is believed."""
    found = await served.get(f"/v1/messages/{sms_msg_id}")
    trust: str = found["trust"]
    return trust


@pytest.mark.parametrize("pair", [PAIR, NEXT_PAIR], ids=["old pair", "new pair"])
async def test_a_signed_push_is_taken(tmp_path: Path, pair: tuple[str, str]) -> None:
    """Either of two pairs counts; the message says that it is signed; again is a redelivery."""
    async with a_signed_node(tmp_path) as served:
        headers = sign(PATH, BODY, host=host_of(served), pair=pair)
        assert (await push(served, headers)).status_code == 200
        assert (await push(served, headers)).status_code == 200
        assert await trust_of(served) == "signed"
        metrics = (await served.api.get("/metrics")).text
    assert 'receiver_push_signatures_total{application="default",outcome="valid"} 2.0' in metrics
    assert "receiver_redeliveries_total 1.0" in metrics


REFUSED: list[Any] = [
    pytest.param({"authorization": None}, "unsigned", id="not signed"),
    pytest.param({"authorization": "Bearer x"}, "malformed", id="another scheme"),
    pytest.param({"x-sdk-date": None}, "no-date", id="no date"),
    pytest.param({"content-type": "text/plain"}, "mismatch", id="another type"),
    pytest.param({"connection": "keep-alive"}, "mismatch", id="a hop-by-hop header changed"),
]


@pytest.mark.parametrize(("changes", "outcome"), REFUSED)
async def test_others_are_refused(
    tmp_path: Path, changes: dict[str, str | None], outcome: str
) -> None:
    """401, nothing is kept, and the metric says why."""
    async with a_signed_node(tmp_path) as served:
        headers = sign(PATH, BODY, host=host_of(served))
        changed = {**headers, **changes}
        sent = {name: value for name, value in changed.items() if value is not None}
        answer = await push(served, sent)
        check_problem(answer, 401)
        assert answer.headers["www-authenticate"] == "SDK-HMAC-SHA256"
        check_problem(await served.api.get("/v1/messages/m1"), 404)
        assert (await served.get("/v1/quarantine"))["quarantine"] == []
        metrics = (await served.api.get("/metrics")).text
    named = f'receiver_push_signatures_total{{application="default",outcome="{outcome}"}} 1.0'
    assert named in metrics
    assert 'receiver_pushes_total{kind="unknown",outcome="unsigned"} 1.0' in metrics


async def test_another_body_is_refused(tmp_path: Path) -> None:
    """A signature is about this body alone."""
    async with a_signed_node(tmp_path) as served:
        headers = sign(PATH, BODY, host=host_of(served))
        other = BODY.replace(b"DELIVRD", b"UNDELIV")
        check_problem(await push(served, headers, other), 401)


@pytest.mark.parametrize(
    ("age", "window", "status"),
    [
        pytest.param(890, 900, 200, id="just inside"),
        pytest.param(910, 900, 401, id="too old"),
        pytest.param(-910, 900, 401, id="too far ahead"),
        pytest.param(910, 1000, 200, id="a wider window"),
    ],
)
async def test_the_window(tmp_path: Path, age: int, window: int, status: int) -> None:
    """`signatures.window_seconds` says how far the date may be from now."""
    async with a_signed_node(tmp_path, signatures={"window_seconds": window}) as served:
        headers = sign(PATH, BODY, host=host_of(served), at=now() / 1e6 - age)
        assert (await push(served, headers)).status_code == status


async def test_a_host_that_a_proxy_rewrites(tmp_path: Path) -> None:
    """`signatures.host` names what the platform signed, whatever arrives."""
    host = "sms.example.com"
    async with a_signed_node(tmp_path, signatures={"host": host}) as served:
        headers = sign(PATH, BODY, host=host)
        rewritten = {**headers, "host": host_of(served)}
        assert (await push(served, rewritten)).status_code == 200


async def test_a_removed_pair_is_refused(tmp_path: Path) -> None:
    """What was signed by a pair that is no longer set is refused."""
    async with a_signed_node(tmp_path, push_keys=KEYS[1:]) as served:
        old = sign(PATH, BODY, host=host_of(served), pair=PAIR)
        new = sign(PATH, BODY, host=host_of(served), pair=NEXT_PAIR)
        check_problem(await push(served, old), 401)
        assert (await push(served, new)).status_code == 200


# settings, X-Forwarded-For -> status, trust
FROM: list[Any] = [
    pytest.param({}, None, 200, "token", id="from anywhere"),
    pytest.param({"allow_from": HERE}, None, 200, "allowlisted", id="from an allowed address"),
    pytest.param({"allow_from": ["127.0.0.1"]}, None, 200, "allowlisted", id="a single address"),
    pytest.param({"allow_from": ELSEWHERE}, None, 403, "", id="from another address"),
    pytest.param({"allow_from": ["huawei-2023-08-21"]}, None, 403, "", id="a preset, from here"),
    pytest.param({"allow_from": ELSEWHERE}, "192.0.2.7", 403, "", id="a claim of a stranger"),
    pytest.param({"allow_from": ELSEWHERE, "trusted_proxies": HERE}, "192.0.2.7", 200,
                 "allowlisted", id="the word of our proxy"),
    pytest.param({"allow_from": ["huawei-2023-08-21"], "trusted_proxies": HERE}, "117.78.29.66",
                 200, "allowlisted", id="a preset, by our proxy"),
    pytest.param({"allow_from": HERE, "trusted_proxies": HERE}, "192.0.2.7", 403, "",
                 id="our proxy is allowed, its client is not"),
    pytest.param({"allow_from": HERE, "callback_token": "short"}, None, 200, "allowlisted",
                 id="a short token, from an allowed address"),
    pytest.param({"callback_token": "short"}, None, 200, "open", id="a short token"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "forwarded", "status", "trust"), FROM)
async def test_where_pushes_come_from(
    tmp_path: Path, settings: dict[str, Any], forwarded: str | None, status: int, trust: str
) -> None:
    """`allow_from` is judged by the client's address; messages say how far they are believed."""
    token = settings.get("callback_token", TOKEN)
    headers = {} if forwarded is None else {"x-forwarded-for": forwarded}
    async with a_node(tmp_path, **settings) as served:
        answer = await served.public.post(f"/callbacks/{token}", content=BODY, headers=headers)
        assert answer.status_code == status, answer.text
        if status == 200:
            assert await trust_of(served) == trust
        else:
            check_problem(answer, status)
            check_problem(await served.api.get("/v1/messages/m1"), 404)


async def test_each_application_has_its_own_gate(tmp_path: Path) -> None:
    """What one application demands says nothing about the others."""
    tokens = {name: f"token-of-{name}-0123456789abcdef" for name in ("shop", "bank")}
    applications = [
        {"name": "shop", "tokens": [tokens["shop"]]},
        {"name": "bank", "tokens": [tokens["bank"]], "push_keys": KEYS},
    ]
    async with a_node(tmp_path, callback_token=None, applications=applications) as served:
        for name, status in (("shop", 200), ("bank", 401)):
            answer = await served.public.post(f"/callbacks/{tokens[name]}", content=BODY)
            assert answer.status_code == status
        path = f"/callbacks/{tokens['bank']}"
        headers = sign(path, BODY, host=host_of(served))
        answer = await served.public.post(path, content=BODY, headers=headers)
        assert answer.status_code == 200


async def test_an_unknown_token_is_told_first(tmp_path: Path) -> None:
    """Whoever does not know the token learns nothing of signatures and addresses."""
    async with a_signed_node(tmp_path, allow_from=ELSEWHERE) as served:
        answer = await served.public.post("/callbacks/nobody-s-token", content=BODY)
        check_problem(answer, 404)


@pytest.mark.parametrize("name", ["api_key", "callback_token"])
def test_a_weak_secret_in_the_data_directory_is_refused(tmp_path: Path, name: str) -> None:
    """A secret that somebody wrote into its file is judged as one of the settings."""
    settings = Settings(data_dir=tmp_path)
    with DataDirectory(tmp_path) as directory:
        assert make_secrets(settings, directory).api_key
        (tmp_path / name).write_text(f"{'a' * 48}\n")
        with pytest.raises(DataDirectoryError, match=f"{name} contains .* remove the file"):
            make_secrets(settings, directory)


# --- wrong tokens -------------------------------------------------------------------------------

WEAK = "short"
PROXIES = {"trusted_proxies": ["127.0.0.1"]}


async def push_to(served: Served, token: str, client: str | None = None) -> int:
    """Push by a token; return the status."""
    headers = {} if client is None else {"x-forwarded-for": client}
    answer = await served.public.post(f"/callbacks/{token}", content=BODY, headers=headers)
    if answer.status_code == 429:
        check_problem(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    return answer.status_code


RATE_LIMITED: list[Any] = [
    # settings, what is pushed to from where -> statuses
    pytest.param({}, [("x1", None), ("x2", None), ("x3", None), ("x4", None)],
                 [404, 404, 429, 429], id="wrong ones"),
    pytest.param({}, [("x1", None), ("x2", None), (TOKEN, None)], [404, 404, 200],
                 id="a token that nobody guesses passes"),
    pytest.param({"callback_token": WEAK}, [("x1", None), ("x2", None), (WEAK, None)],
                 [404, 404, 429], id="a weak token is not told from a wrong one"),
    pytest.param({"callback_token": WEAK}, [(WEAK, None), *[(f"x{n}", None) for n in range(5)],
                                            (WEAK, None)],
                 [200, 404, 404, 404, 404, 404, 200], id="who lately pushed"),
    pytest.param({"callback_token": WEAK, "allow_from": HERE},
                 [*[(f"x{n}", None) for n in range(5)], (WEAK, None)],
                 [404, 404, 404, 404, 404, 200], id="an address of allow_from"),
    pytest.param({"callback_token": WEAK, **PROXIES},
                 [*[(f"x{n}", None) for n in range(5)], (WEAK, None)],
                 [404, 404, 404, 404, 404, 200], id="a proxy's own address"),
    pytest.param({"callback_token": WEAK, **PROXIES},
                 [("x1", "192.0.2.1"), ("x2", "192.0.2.1"), ("x3", "192.0.2.1"),
                  (WEAK, "192.0.2.1"), (WEAK, "192.0.2.2")],
                 [404, 404, 429, 429, 200], id="a stranger behind a proxy"),
    pytest.param({"callback_token": WEAK, **PROXIES},
                 [("x1", "2001:db8::1"), ("x2", "2001:db8::2"), ("x3", "2001:db8::3"),
                  (WEAK, "2001:db8:0:1::1")],
                 [404, 404, 429, 200], id="a stranger's /64"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "pushes", "statuses"), RATE_LIMITED)
async def test_wrong_tokens_are_slowed(
    tmp_path: Path, changes: dict[str, Any], pushes: list[tuple[str, str | None]],
    statuses: list[int],
) -> None:  # fmt: skip
    """Two wrong tokens a minute are free for each address; those who push are never held up."""
    async with a_node(tmp_path, wrong_tokens_per_minute=2, **changes) as served:
        assert [await push_to(served, *one) for one in pushes] == statuses
        text = (await served.api.get("/metrics")).text
    slowed = f'receiver_pushes_total{{kind="unknown",outcome="slowed"}} {statuses.count(429)}.0'
    assert slowed in text
