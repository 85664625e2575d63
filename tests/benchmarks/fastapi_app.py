"""The endpoint that most people would write: FastAPI, an ORM model, a commit for each request."""

import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .servers import TOKEN

# SQLite as it comes, which is durable (a rollback journal, synchronous=FULL). One pooled
# connection: SQLite has one writer anyway; to wait in the pool is as fast as to wait for one
# another's file lock and never ends in "database is locked".
_engine = create_async_engine(
    f"sqlite+aiosqlite:///{os.environ['BENCHMARK_DATABASE']}", pool_size=1, max_overflow=0
)
_sessions = async_sessionmaker(_engine, expire_on_commit=False)


class Base(DeclarativeBase):
    """The tables of this application."""


class Report(Base):
    """A status report as it came."""

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(primary_key=True)
    received_at: Mapped[datetime]
    sms_msg_id: Mapped[str]
    status: Mapped[str]
    sequence: Mapped[str | None]
    total: Mapped[str | None]
    source: Mapped[str | None]
    update_time: Mapped[str | None]
    org_code: Mapped[str | None]


@asynccontextmanager
async def _lifespan(_: FastAPI) -> AsyncGenerator[None]:
    async with _engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    yield
    await _engine.dispose()


async def _session() -> AsyncGenerator[AsyncSession]:
    async with _sessions() as session:
        yield session


app = FastAPI(lifespan=_lifespan)


@app.post("/callbacks/{token}")
async def take_report(
    token: str, request: Request, session: Annotated[AsyncSession, Depends(_session)]
) -> dict[str, Any]:
    """Keep one status report."""
    if not secrets.compare_digest(token, TOKEN):
        raise HTTPException(HTTPStatus.NOT_FOUND)
    form = {name: str(value) for name, value in (await request.form()).items()}
    session.add(
        Report(
            received_at=datetime.now(UTC),
            sms_msg_id=form["smsMsgId"],
            status=form["status"],
            sequence=form.get("sequence"),
            total=form.get("total"),
            source=form.get("source"),
            update_time=form.get("updateTime"),
            org_code=form.get("orgCode"),
        )
    )
    await session.commit()
    return {"returnCode": 0, "returnCodeDesc": "Success"}


@app.get("/healthz")
async def tell_health() -> dict[str, str]:
    """Say that the process is up."""
    return {"status": "ok"}
