"""The OpenAPI document and the routes are the same, both ways."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from starlette.routing import Route

from receiver.api.openapi import make_document
from receiver.api.statistics import DIMENSIONS
from tests.integration.api.test_restricted_keys import ASKED, PERSON, TOKENS, ask, two_applications
from tests.support.parts import KEY, a_node, form


async def test_every_route_is_described(tmp_path: Path) -> None:
    """What exists is described, and what is described exists."""
    async with a_node(tmp_path) as served:
        router: Any = served.node.private.app
        routes = {
            (method.lower(), re.sub(r":[a-z]+}", "}", route.path))
            for route in router.routes
            if isinstance(route, Route)
            for method in route.methods or ()
            if method != "HEAD"
        }
    described = {
        (method, path) for path, methods in make_document()["paths"].items() for method in methods
    }
    assert described == routes


def test_every_reference_leads_somewhere() -> None:
    """Schemas that are named are there, and all that are there are named."""
    document = make_document()
    named = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert named == set(document["components"]["schemas"])


def test_names_of_operations_are_unique() -> None:
    """Generators of clients make functions of them."""
    names = [
        operation["operationId"]
        for methods in make_document()["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


REFUSED = {
    "code": "000000",
    "result": [{"smsMsgId": "refused", "originTo": PERSON, "status": "E200033"}],
}


def closed(schema: Any) -> Any:
    """Return a schema that takes no members but those that it names."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {name: closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        shut.setdefault("additionalProperties", False)
    return shut


def check_answer(method: str, path: str, status: int, body: Any) -> None:
    """Assert that an answer is as the document says, and has nothing that it does not say."""
    document = closed(make_document())
    answer = document["paths"][path][method.lower()]["responses"][str(status)]
    schema = next(iter(answer["content"].values())).get("schema", {})
    whole = {**schema, "components": document["components"]}
    errors = [str(error) for error in jsonschema_rs.iter_errors(whole, body)]
    assert errors == [], (method, path)


async def test_a_contradicted_message_is_as_described(tmp_path: Path) -> None:
    """Each value that a later registration told otherwise stands under its own name."""
    first = {
        "sms_msg_id": "odd", "to": PERSON, "from": "1069", "sent_at": "2026-01-31T08:00:05Z",
        "total": 1, "country": "CN", "extend": "a", "reference": "a", "template_id": "a",
        "text_length": 1, "retry_of": "a",
    }  # fmt: skip
    second = {
        **first, "to": "15500005179", "from": "1070", "sent_at": "2026-01-31T16:00:06+08:00",
        "total": 2, "country": "GB", "extend": "b", "reference": "b", "template_id": "b",
        "text_length": 2, "retry_of": "b",
    }  # fmt: skip
    async with two_applications(tmp_path) as served:
        for send in (first, second, second):
            await served.register(sends=[send])
        message = await served.get("/v1/messages/odd")
    check_answer("GET", "/v1/messages/{sms_msg_id}", 200, message)
    (told,) = message["registration_conflicts"]
    assert {"sms_msg_id": "odd", **told} == {
        **second,
        "to": "+8615500005179",
        "sent_at": "2026-01-31T08:00:06Z",
        "registered_at": told["registered_at"],
    }
    assert (message["to"], message["total"]) == (PERSON, 1)
    assert message["registration_conflicts_omitted"] is False


async def test_answers_are_as_described(tmp_path: Path) -> None:
    """What routes answer about messages, people and retries that there are fits their schemas."""
    async with two_applications(tmp_path) as served:
        for route in ASKED:
            method, _, path = route.partition(" ")
            answer = await ask(served, route, KEY, "shop")
            assert answer.status_code in (200, 202), (route, answer.text)
            if "export" not in path:
                check_answer(method, path, answer.status_code, answer.json())


async def test_answers_to_administrators_are_as_described(tmp_path: Path) -> None:
    """The same of what is folded again, purged and forgotten, of the process and of refusals."""
    async with two_applications(tmp_path) as served:
        for method, path, body, status in (
            ("POST", "/v1/reclassify", {}, 202),
            ("GET", "/v1/reclassify", None, 200),
            ("DELETE", "/v1/reclassify", None, 200),
            ("POST", "/v1/reclassify/undo", None, 200),
            ("POST", "/v1/purge", {"dry_run": True}, 202),
            ("GET", "/v1/purge", None, 200),
            ("GET", "/v1/codes", None, 200),
            ("POST", "/v1/sends", {"response": REFUSED}, 202),
            ("POST", "/v1/sends", {"response": {"code": "E000623"}}, 202),
            ("POST", "/v1/sends", {"sends": [{"sms_msg_id": ""}]}, 400),
            (
                "POST",
                "/v1/messages/lookup",
                {"references": ["of-shop", "?"]},
                200,
            ),
            ("GET", "/healthz", None, 200),
            ("GET", "/readyz", None, 200),
            ("POST", "/v1/forget", {"number": PERSON}, 200),
            ("POST", "/v1/forget", {"number": "nobody"}, 400),
        ):
            answer = await served.api.request(method, path, json=body)
            assert answer.status_code == status, (method, path, answer.text)
            check_answer(method, path, status, answer.json())


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        pytest.param("/v1/codes/{code}", "/v1/codes/MK:0001?source=2", id="a code"),
        pytest.param("/v1/codes/{code}", "/v1/codes/%3F!", id="an unknown code"),
        pytest.param("/v1/codes", "/v1/codes?seen=unlisted", id="codes that came"),
        pytest.param("/v1/stats", "/v1/stats?by=" + ",".join(DIMENSIONS), id="groups"),
        pytest.param("/v1/stats", "/v1/stats?by=state&interval=day", id="time series"),
        pytest.param("/v1/reclassify", "/v1/reclassify", id="what was folded again"),
    ],
)
async def test_answers_to_questions_are_as_described(path: str, asked: str, tmp_path: Path) -> None:
    """What questions with parameters are answered fits, with members for all there is."""
    async with two_applications(tmp_path) as served:
        await served.register(sends=[{"sms_msg_id": "odd"}])
        await served.push(form(smsMsgId="odd", status="WHAT:1", source="3"), TOKENS["shop"])
        await served.api.post("/v1/reclassify", json={})
        answer = await served.api.get(asked)
        assert answer.status_code == 200, answer.text
        check_answer("GET", path, 200, answer.json())


async def test_a_settled_retry_is_as_described(tmp_path: Path) -> None:
    """An item that is claimed, put back, claimed again and given up answers as it should."""
    async with two_applications(tmp_path) as served:
        for word in ("release", "abandon"):
            (item,) = (await ask(served, "POST /v1/retries/claim", KEY, "shop")).json()["retries"]
            path = f"/v1/retries/{item['id']}/{word}"
            reason = {"reason": "x"} if word == "abandon" else {}
            answer = await served.api.post(path, json={"lease": item["lease"], **reason})
            assert answer.status_code == 200, answer.text
            check_answer("POST", f"/v1/retries/{{id}}/{word}", 200, answer.json())
