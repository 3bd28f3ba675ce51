"""The gateway's check, every row committed before its answer, beside what a Django view costs that does nothing."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from benchmarks.figures import last_line, table
from benchmarks.installation import installation, make_keys
from benchmarks.load import WRK, Load, load
from benchmarks.servers import Server, django_views, gateway

CONNECTIONS = 64
KEYS = 1000


@dataclass
class Contender:
    name: str
    server: Server
    path: str
    rounds: list[Load] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, tokens: list[str], headers: dict[str, str], seconds: float) -> Load:
        before = self.server.cpu_seconds()
        measured = load(
            self.server.port, self.path, tokens=tokens, headers=headers, seconds=seconds, connections=CONNECTIONS
        )
        if measured.refused:
            raise SystemExit(f"{self.name}: {measured.refused} of {measured.answers} answers were not 200")
        self.rounds.append(measured)
        self.cpu.append((self.server.cpu_seconds() - before) / measured.answers * 1e6)
        return measured

    def against(self, other: Contender) -> float:
        """Median over the rounds of this one's calls a second to the other's in the same round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return median(mine.per_second / others.per_second for mine, others in pairs)


def run(*, quick: bool) -> None:
    rounds, seconds = (2, 1.0) if quick else (7, 4.0)
    with installation(), ExitStack() as stack:
        tokens = make_keys(KEYS)
        headers = _as_nginx_asks()
        peer = {"PEER_DATABASE": json.dumps(_peer_database(tokens))}
        # Without Keyward's settings, which a peer must not load.
        peer["DJANGO_SETTINGS_MODULE"] = ""
        ours = Contender("Keyward, 1 worker", stack.enter_context(gateway()), "/v1/verify/billing")
        django = stack.enter_context(django_views(peer))
        bare = Contender("bare Django view", django, "/")
        naive = Contender("naive Django view, ORM get + create", django, "/naive")
        contenders = [ours, bare, naive]
        for contender in contenders:
            contender.measure(tokens, headers, 1.0)
            contender.rounds.clear()
            contender.cpu.clear()
        rows_before = _rows()
        for _ in range(rounds):
            for contender in contenders:
                contender.measure(tokens, headers, seconds)
        _show(contenders, bare, naive, rounds=rounds, seconds=seconds)
        _check_rows(ours, _rows() - rows_before)
    print(last_line("verify", ours.against(bare), must=4, aim=6))


def _show(contenders: list[Contender], bare: Contender, naive: Contender, *, rounds: int, seconds: float) -> None:
    client = "wrk" if WRK else "a client in Python (wrk is not installed: it takes CPU that the servers would need)"
    print(f"{CONNECTIONS} connections, {client}, {rounds} rounds of {seconds:g} s in turn, medians; fsync on\n")
    print(
        table(
            ("", "calls/s", "x bare", "x naive", "rows/s", "p50 ms", "p99 ms", "CPU us/call", "failed"),
            [
                (
                    contender.name,
                    f"{median(one.per_second for one in contender.rounds):,.0f}",
                    f"{contender.against(bare):.2f}",
                    f"{contender.against(naive):.2f}",
                    "0" if contender is bare else f"{median(one.per_second for one in contender.rounds):,.0f}",
                    f"{median(one.p50 for one in contender.rounds):.1f}",
                    f"{median(one.p99 for one in contender.rounds):.1f}",
                    f"{median(contender.cpu):.0f}",
                    str(sum(one.failed for one in contender.rounds)),
                )
                for contender in contenders
            ],
        )
    )


def _check_rows(ours: Contender, rows: int) -> None:
    """Every answer has its row; more rows are calls that were under way when a round's load stopped."""
    answers = sum(one.answers for one in ours.rounds)
    under_way = rows - answers
    if not 0 <= under_way <= CONNECTIONS * len(ours.rounds):
        raise SystemExit(f"{rows} rows were written for {answers} answers")
    print(f"\n{rows:,} rows for {answers:,} answers, and {under_way} calls under way when the load stopped")


def _rows() -> int:
    from django.db import connections

    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_call")
        return int(cursor.fetchone()[0])


def _as_nginx_asks() -> dict[str, str]:
    """The headers of deploy/nginx/keyward.conf, but for the client's credential."""
    from django.conf import settings

    return {
        "X-Gateway-Secret": next(iter(settings.GATEWAY_SECRETS.values())),
        "X-Original-Method": "GET",
        "X-Original-Uri": "/customers/1001?page=2",
        "X-Forwarded-Host": "api.example.com",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": "127.0.0.1",
        "User-Agent": "curl/8.5.0",
    }


def _peer_database(tokens: list[str]) -> dict[str, object]:
    """The peers' tables, and how they reach them: the same server, a connection that stays open."""
    from django.db import connections

    from benchmarks.peers import make_tables

    make_tables(tokens)
    found = connections["default"].get_connection_params()
    return {
        "NAME": found["dbname"],
        "USER": found["user"],
        "PASSWORD": found["password"],
        "HOST": found["host"],
        "PORT": found["port"],
        "CONN_MAX_AGE": None,
    }
