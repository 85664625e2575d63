"""A lean endpoint without ORM: Starlette, one aiosqlite connection, a commit for each request."""

import os
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypedDict

import aiosqlite
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class _State(TypedDict):
    connection: aiosqlite.Connection


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncGenerator[_State]:
    path = os.environ["BENCHMARK_DATABASE"]
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=FULL")
        await connection.execute(
            "CREATE TABLE journal (id INTEGER PRIMARY KEY, received_at REAL, body BLOB)"
        )
        yield {"connection": connection}


async def _take(request: Request) -> JSONResponse:
    body = await request.body()
    await request.state.connection.execute(
        "INSERT INTO journal (received_at, body) VALUES (?, ?)", (time.time(), body)
    )
    return JSONResponse({"returnCode": 0, "returnCodeDesc": "Success"})


async def _tell_health(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


app = Starlette(
    routes=[
        Route("/callbacks/{token}", _take, methods=["POST"]),
        Route("/healthz", _tell_health),
    ],
    lifespan=_lifespan,
)
