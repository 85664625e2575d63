"""A lean endpoint without ORM: Starlette, one aiosqlite connection, a commit for each request.

Written by somebody who knows SQLite (a write-ahead log), and as aiosqlite's own examples are.
"""

import asyncio
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

_FIELDS = ("smsMsgId", "status", "sequence", "total", "source", "updateTime", "orgCode")


class _State(TypedDict):
    connection: aiosqlite.Connection
    turn: asyncio.Lock


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncGenerator[_State]:
    async with aiosqlite.connect(os.environ["BENCHMARK_DATABASE"]) as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=FULL")
        await connection.execute(
            "CREATE TABLE journal (id INTEGER PRIMARY KEY, received_at REAL, sms_msg_id TEXT,"
            " status TEXT, sequence TEXT, total TEXT, source TEXT, update_time TEXT, org_code TEXT)"
        )
        await connection.commit()
        yield {"connection": connection, "turn": asyncio.Lock()}


async def _take(request: Request) -> JSONResponse:
    form = await request.form()
    connection = request.state.connection
    async with request.state.turn:  # the transactions of two requests must not mix
        await connection.execute(
            "INSERT INTO journal (received_at, sms_msg_id, status, sequence, total, source,"
            " update_time, org_code) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (time.time(), *(form.get(name) for name in _FIELDS)),
        )
        await connection.commit()
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
