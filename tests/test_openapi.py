"""The OpenAPI document and the routes are the same, both ways."""

import re
from pathlib import Path
from typing import Any

from starlette.routing import Route

from receiver.web.openapi import make_document
from tests.conftest import a_node


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
