"""The OpenAPI document and the routes are the same, both ways."""

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
from starlette.routing import Route

from receiver.web.openapi import make_document
from tests.conftest import KEY, a_node
from tests.test_restricted_keys import ASKED, PERSON, ask, two_applications


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


def check_answer(method: str, path: str, status: int, body: Any) -> None:
    """Assert that an answer is as the document says."""
    document = make_document()
    answer = document["paths"][path][method.lower()]["responses"][str(status)]
    schema = next(iter(answer["content"].values())).get("schema", {})
    whole = {**schema, "components": document["components"]}
    errors = [str(error) for error in jsonschema_rs.iter_errors(whole, body)]
    assert errors == [], (method, path)


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
            ("POST", "/v1/purge", {"dry_run": True}, 202),
            ("GET", "/v1/purge", None, 200),
            ("GET", "/v1/codes", None, 200),
            ("GET", "/healthz", None, 200),
            ("GET", "/readyz", None, 200),
            ("POST", "/v1/forget", {"number": PERSON}, 200),
            ("POST", "/v1/forget", {"number": "nobody"}, 400),
        ):
            answer = await served.api.request(method, path, json=body)
            assert answer.status_code == status, (method, path, answer.text)
            check_answer(method, path, status, answer.json())
        answer = await served.get("/v1/codes/MK:0001")
        check_answer("GET", "/v1/codes/{code}", 200, answer)


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
