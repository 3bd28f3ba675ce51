"""FastAPI with asyncpg: look up the key by its digest and commit a row, one statement each."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from fastapi import FastAPI, Request, Response

FIND = "SELECT name FROM peers_naivekey WHERE digest = $1 AND active"
LOG = "INSERT INTO peers_naivecall (time, key, path, address, allowed) VALUES (now(), $1, $2, $3, $4)"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    database = json.loads(os.environ["PEER_DATABASE"])
    async with asyncpg.create_pool(
        host=database["HOST"],
        port=database["PORT"],
        user=database["USER"],
        password=database["PASSWORD"],
        database=database["NAME"],
        server_settings={"search_path": "peers"},
    ) as app.state.pool:
        yield


application = FastAPI(lifespan=lifespan, openapi_url=None)


@application.get("/")
async def check(request: Request) -> Response:
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    async with request.app.state.pool.acquire() as connection:
        name = await connection.fetchval(FIND, hashlib.sha256(token.encode()).hexdigest())
        await connection.execute(
            LOG,
            name or "",
            request.headers.get("x-original-uri", ""),
            request.headers.get("x-forwarded-for", "127.0.0.1"),
            name is not None,
        )
    return Response(status_code=200 if name else 401)


@application.get("/ready")
async def ready() -> Response:
    return Response()
