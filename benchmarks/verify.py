"""Verification, every row committed before its answer, beside a Django view that does nothing and beside
alternatives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack

from benchmarks.contenders import (
    CONNECTIONS,
    HEAD,
    Contender,
    build_nginx_headers,
    check_rows,
    format_cells,
    get_rounds,
    run_in_turn,
)
from benchmarks.figures import format_table
from benchmarks.insert_limit import InsertLimit
from benchmarks.installation import ROOT, installation, make_keys
from benchmarks.load import WRK
from benchmarks.peers import redis_check
from benchmarks.peers.environment import Offline, python
from benchmarks.results import Ratio
from benchmarks.servers import NGINX, gateway, peer, static_file
from benchmarks.sizes import Size

KEYS = 1000
PACKAGES = ["rest_framework", "rest_framework_api_key", "knox"]
SITE = "benchmarks.peers.site:application"


def run(size: Size) -> list[Ratio]:
    rounds, seconds = get_rounds(size)
    with installation(), ExitStack() as stack:
        tokens = make_keys(KEYS)
        database = json.dumps(peer_database())
        views = {"PEER_DATABASE": database}
        _make(sys.executable, views, tokens)
        ours = Contender("Keyward, 1 worker", stack.enter_context(gateway()), "/v1/verify/billing", tokens)
        django = stack.enter_context(peer(SITE, views, ready="/"))
        bare = Contender("bare Django view", django, "/", tokens, rows=False)
        limit = InsertLimit("the same rows, no HTTP, no decision", ours.server, "", tokens)
        contenders = [ours, limit, bare, Contender("naive Django view, ORM get + create", django, "/naive", tokens)]
        try:
            # Installing their packages takes a minute the first time.
            contenders += [] if size is Size.QUICK else _packages(stack, database, tokens)
        except Offline as error:
            print(f"Left out, because their packages cannot be installed: {', '.join(PACKAGES)}, FastAPI ({error})\n")
        if NGINX:
            floor = stack.enter_context(static_file())
            contenders.append(Contender("nginx, an empty file (no decision)", floor, "/empty", tokens, rows=False))
        else:
            print("Left out, because it is not installed: nginx\n")
        if redis_check.IS_INSTALLED:
            redis = stack.enter_context(redis_check.redis_check(tokens))
            contenders.append(Contender("nginx + Lua + Redis, rows can be lost", redis, "/check", tokens))
        else:
            print("Left out, because they are not installed: nginx with Lua, Redis\n")
        rows = run_in_turn(contenders, build_nginx_headers(), rounds=rounds, seconds=seconds)
        client = "wrk" if WRK else "a client in Python (wrk is not installed: it takes CPU that the servers would need)"
        print(f"{CONNECTIONS} connections, {client}, {rounds} rounds of {seconds:g} s in turn, medians; fsync on\n")
        lines = [
            [one.name, f"{one.get_ratio_to(bare):.2f}", f"{one.get_ratio_to(ours):.2f}", *format_cells(one)]
            for one in contenders
        ]
        print(format_table(("", "x bare", "x Keyward", *HEAD), lines))
        check_rows([ours, limit], rows)
    others = [
        Ratio(f"verify beside {one.name}", ours.get_ratios_to(one)) for one in contenders if one not in (ours, bare)
    ]
    # What a slow or busy disk leaves as it is.
    others.append(
        Ratio("verify by CPU", [theirs / max(mine, 1.0) for theirs, mine in zip(bare.cpu, ours.cpu, strict=True)])
    )
    tail = Ratio("verify-tail", [one.p99 / one.p50 for one in ours.rounds], must=2, aim=2)
    return [*others, tail, Ratio("verify", ours.get_ratios_to(bare), must=5, aim=7)]


def _packages(stack: ExitStack, database: str, tokens: list[str]) -> list[Contender]:
    found = str(python())
    environment = {"PEER_DATABASE": database, "PEER_APPS": json.dumps(PACKAGES)}
    made = json.loads(_make(found, environment, tokens))
    django = stack.enter_context(peer(SITE, environment, ready="/api-key", python=found))
    fast = stack.enter_context(
        peer(
            "benchmarks.peers.fast:application",
            {"PEER_DATABASE": database},
            ready="/ready",
            python=found,
            worker="uvicorn_worker.UvicornWorker",
        )
    )
    return [
        Contender("djangorestframework-api-key + row", django, "/api-key", made["Api-Key"], "Api-Key"),
        Contender("django-rest-knox + row", django, "/knox", made["Token"], "Token"),
        Contender("FastAPI + asyncpg + row", fast, "/", tokens),
    ]


def _make(interpreter: str, environment: dict[str, str], tokens: list[str]) -> str:
    """Let the peers create their tables and keys; return what they print."""
    return subprocess.run(
        [interpreter, "-m", "benchmarks.peers.make"],
        cwd=ROOT,
        env=os.environ | environment | {"DJANGO_SETTINGS_MODULE": ""},
        input=json.dumps(tokens),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def peer_database() -> dict[str, object]:
    """Create a schema for the peers beside Keyward's tables; return its connection settings, as the owner."""
    from django.db import connections

    owner = connections["maintenance"]
    with owner.cursor() as cursor:
        cursor.execute("CREATE SCHEMA peers")
    found = owner.get_connection_params()
    return {
        "NAME": found["dbname"],
        "USER": found["user"],
        "PASSWORD": found["password"],
        "HOST": found["host"],
        "PORT": found["port"],
        "OPTIONS": {"options": "-c search_path=peers"},
        "CONN_MAX_AGE": None,
    }
