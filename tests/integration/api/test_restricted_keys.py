"""A key for one application: on every route it sees and changes that one alone."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.routing import Route

from receiver.app.credentials import now
from receiver.domain import times
from tests.support.parts import KEY, Served, a_node, form

SHOP_KEY, BANK_KEY = "shop-key-0123456789abcdef", "bank-key-0123456789abcdef"
TOKENS = {name: f"token-of-{name}-0123456789abcdef" for name in ("shop", "bank")}
PERSON = "+8615500005172"
Json = dict[str, Any]

# Routes that are about no application, or about all of them.
OF_NONE = {
    "GET /v1/codes", "GET /v1/codes/{code}", "GET /docs/codes", "GET /docs", "GET /openapi.json",
    "GET /metrics", "GET /healthz", "GET /readyz",
}  # fmt: skip
OF_ALL = {
    "POST /v1/reclassify", "GET /v1/reclassify", "DELETE /v1/reclassify",
    "POST /v1/reclassify/undo", "POST /v1/purge", "GET /v1/purge", "POST /v1/forget",
}  # fmt: skip


def ago(seconds: float) -> str:
    """Write a time that lies so far back."""
    return times.to_rfc3339(now() - round(seconds * times.SECOND))


@asynccontextmanager
async def two_applications(directory: Path) -> AsyncIterator[Served]:
    """Run a node that knows the same ids, numbers and words of two applications."""
    applications = [{"name": name, "tokens": [token]} for name, token in TOKENS.items()]
    keys = [
        {"name": name, "key": key, "scopes": ["admin"], "application": name}
        for name, key in (("shop", SHOP_KEY), ("bank", BANK_KEY))
    ]
    async with a_node(
        directory, callback_token=None, applications=applications, api_keys=keys
    ) as served:
        for name, token in TOKENS.items():
            sent = {"to": PERSON, "from": "1069", "sent_at": ago(7230), "reference": f"of-{name}"}
            await served.register(application=name, sends=[{"sms_msg_id": "m", **sent}])
            report = {"source": "2", "updateTime": ago(7200)}
            await served.push(form(smsMsgId="m", status="UNDELIV", **report), token)
            await served.push(b"nonsense of " + name.encode(), token)
            uplink = {"from_": PERSON, "to": "1070", "body": f"hello {name}", "smsMsgId": "u"}
            await served.push(form(**uplink), token)
            reason = {"reason": f"of {name}", "application": name, "channel": "1071"}
            answer = await served.api.put(f"/v1/suppressions/{PERSON}", json=reason)
            assert answer.status_code == 200, answer.text
        yield served


# What is asked where an application can be named, by parameter or in the body.
ASKED: dict[str, tuple[str, Any]] = {
    "GET /v1/messages": ("/v1/messages", None),
    "GET /v1/messages/{sms_msg_id}": ("/v1/messages/m", None),
    "GET /v1/messages/{sms_msg_id}/explain": ("/v1/messages/m/explain", None),
    "GET /v1/messages/{sms_msg_id}/attempts": ("/v1/messages/m/attempts", None),
    "POST /v1/messages/lookup": (
        "/v1/messages/lookup", {"ids": ["m"]}
    ),
    "GET /v1/export/messages": ("/v1/export/messages?format=ndjson", None),
    "GET /v1/export/uplinks": ("/v1/export/uplinks?format=csv", None),
    "GET /v1/retries": ("/v1/retries", None),
    "GET /v1/stats": (f"/v1/stats?by=application&since={ago(86_400)}", None),
    "GET /v1/stats/silence": ("/v1/stats/silence", None),
    "GET /v1/uplinks": ("/v1/uplinks", None),
    "GET /v1/uplinks/{sms_msg_id}": ("/v1/uplinks/u", None),
    "GET /v1/suppressions": ("/v1/suppressions", None),
    "GET /v1/suppressions/{number}/history": (f"/v1/suppressions/{PERSON}/history", None),
    "GET /v1/quarantine": ("/v1/quarantine", None),
    "GET /v1/recipients/{number}": (f"/v1/recipients/{PERSON}", None),
    "POST /v1/recipients/check": ("/v1/recipients/check", {"numbers": [PERSON]}),
    "PUT /v1/suppressions/{number}": (f"/v1/suppressions/{PERSON}", {"reason": "x"}),
    "DELETE /v1/suppressions/{number}": (f"/v1/suppressions/{PERSON}", {"reason": "x"}),
    "POST /v1/sends": ("/v1/sends", {"sends": [{"sms_msg_id": "new"}]}),
    "POST /v1/retries/claim": ("/v1/retries/claim", {"limit": 10}),
}  # fmt: skip
OF_ITEMS = {f"POST /v1/retries/{{id}}/{word}" for word in ("complete", "release", "abandon")}


async def ask(
    served: Served, route: str, key: str, application: str | None = None
) -> httpx.Response:
    """Ask a route with a key, for an application or for none in particular."""
    path, body = ASKED[route]
    method = route.partition(" ")[0]
    headers = {"authorization": f"Bearer {key}"}
    if application is not None and body is None:
        path += ("&" if "?" in path else "?") + f"application={application}"
    elif application is not None:
        body = {**body, "application": application}
    content = None if body is None else json.dumps(body)
    return await served.api.request(method, path, content=content, headers=headers)


async def test_a_key_tells_of_its_application_alone(tmp_path: Path) -> None:
    """On every route: whoever names no application gets his own; another one is refused."""
    async with two_applications(tmp_path) as served:
        for route in ASKED:
            answer = await ask(served, route, SHOP_KEY)
            assert answer.status_code in (200, 202), (route, answer.text)
            assert "bank" not in answer.text, route
            assert (await ask(served, route, SHOP_KEY, "bank")).status_code == 403, route
            own = await ask(served, route, BANK_KEY, "bank")
            assert own.status_code in (200, 202), (route, own.text)
            assert "shop" not in own.text, route


async def test_items_of_others_are_not_there(tmp_path: Path) -> None:
    """Nobody settles what another application has claimed."""
    async with two_applications(tmp_path) as served:
        (item,) = (await ask(served, "POST /v1/retries/claim", BANK_KEY)).json()["retries"]
        assert item["application"] == "bank"
        for word, more in (
            ("complete", {"response": {}}), ("release", {}), ("abandon", {"reason": "x"}),
        ):  # fmt: skip
            answer = await served.api.post(
                f"/v1/retries/{item['id']}/{word}",
                json={"lease": item["lease"], **more},
                headers={"authorization": f"Bearer {SHOP_KEY}"},
            )
            assert answer.status_code == 404, answer.text


async def test_what_is_about_all_is_refused(tmp_path: Path) -> None:
    """What is about everybody needs a key for everybody, whatever its scope."""
    async with two_applications(tmp_path) as served:
        for route in sorted(OF_ALL):
            method, _, path = route.partition(" ")
            answer = await served.api.request(
                method, path, headers={"authorization": f"Bearer {SHOP_KEY}"}
            )
            assert answer.status_code == 403, (route, answer.text)


async def test_every_route_is_tried(tmp_path: Path) -> None:
    """A new route has to say what a restricted key gets there."""
    async with a_node(tmp_path) as served:
        router: Any = served.node.private.app
        routes = {
            f"{method} {route.path}".replace(":opaque", "").replace(":int", "")
            for route in router.routes
            if isinstance(route, Route)
            for method in route.methods or ()
            if method != "HEAD"
        }
    assert routes == set(ASKED) | OF_ITEMS | OF_NONE | OF_ALL


async def test_other_applications_are_not_named(tmp_path: Path) -> None:
    """Whoever names what he may not ask about learns nothing of what there is; counts are his."""
    async with two_applications(tmp_path) as served:
        for route in ASKED:
            answer = await ask(served, route, SHOP_KEY, "nobody-s")
            assert answer.status_code == 403, route
            assert "bank" not in answer.text, route
        queue = (await ask(served, "GET /v1/retries", SHOP_KEY)).json()
        assert (queue["waiting"], queue["due"]) == (1, 1)
        assert (await ask(served, "GET /v1/retries", KEY)).json()["waiting"] == 2


async def test_metrics_that_need_a_key_need_one_for_all(tmp_path: Path) -> None:
    """They are about all applications."""
    keys = [{"name": "shop", "key": SHOP_KEY, "scopes": ["admin"], "application": "default"}]
    async with a_node(tmp_path, metrics_need_key=True, api_keys=keys) as served:
        for key, status in ((SHOP_KEY, 403), (KEY, 200)):
            headers = {"authorization": f"Bearer {key}"}
            assert (await served.api.get("/metrics", headers=headers)).status_code == status
