"""Servers that are measured in turn, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.load import Load, load
from benchmarks.servers import Server

CONNECTIONS = 64
# Many short ones, because a shared machine's speed changes from one second to the next.
ROUNDS, SECONDS = 14, 2.0
QUICK_ROUNDS, QUICK_SECONDS = 1, 1.0


def sizes(*, quick: bool) -> tuple[int, float]:
    """Rounds, and seconds of each."""
    return (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)


@dataclass
class Contender:
    """`tokens` are what clients send behind `scheme`; `before` and `after` surround each of its rounds."""

    name: str
    server: Server
    path: str
    tokens: Sequence[str]
    scheme: str = "Bearer"
    connections: int = CONNECTIONS
    rows: bool = True
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    rounds: list[Load] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, headers: dict[str, str], seconds: float) -> None:
        self.before()
        began = self.server.cpu_seconds()
        try:
            measured = load(
                self.server.port,
                self.path,
                authorizations=[f"{self.scheme} {token}" for token in self.tokens],
                headers=headers,
                seconds=seconds,
                connections=self.connections,
            )
        finally:
            self.after()
        if measured.refused or not measured.answers:
            raise SystemExit(f"{self.name}: {measured.refused} of {measured.answers} answers were not 200")
        self.rounds.append(measured)
        self.cpu.append((self.server.cpu_seconds() - began) / measured.answers * 1e6)

    @property
    def per_second(self) -> float:
        return median(one.per_second for one in self.rounds)

    @property
    def p50(self) -> float:
        return median(one.p50 for one in self.rounds)

    def against(self, other: Contender) -> float:
        """Median over the rounds of this one's calls a second to the other's in the same round."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return median(mine.per_second / others.per_second for mine, others in pairs)

    def anew(self, name: str, **changes: object) -> Contender:
        """The same server, measured again under other circumstances."""
        return replace(self, name=name, rounds=[], cpu=[], **changes)  # type: ignore[arg-type]


def run_in_turn(contenders: Sequence[Contender], headers: dict[str, str], *, rounds: int, seconds: float) -> int:
    """A short round each to warm up, unless one is all that is wanted, then the rounds that count. Returns how many
    rows Keyward wrote in these."""
    for contender in contenders if rounds > 1 else ():
        contender.measure(headers, min(2.0, seconds))
        contender.rounds.clear()
        contender.cpu.clear()
    rows_before = count_rows()
    for _ in range(rounds):
        for contender in contenders:
            contender.measure(headers, seconds)
    return count_rows() - rows_before


HEAD = ("calls/s", "rows/s", "p50 ms", "p99 ms", "CPU us/call", "failed")


def cells(contender: Contender) -> list[str]:
    """Under HEAD."""
    return [
        f"{contender.per_second:,.0f}",
        f"{contender.per_second:,.0f}" if contender.rows else "0",
        f"{contender.p50:.2f}",
        f"{median(one.p99 for one in contender.rounds):.2f}",
        f"{median(contender.cpu):.0f}",
        str(sum(one.failed for one in contender.rounds)),
    ]


def count_rows() -> int:
    from django.db import connections

    with connections["maintenance"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_call")
        return int(cursor.fetchone()[0])


def check_rows(contenders: Sequence[Contender], rows: int) -> None:
    """Every answer has its row; more rows are calls that were under way when a round's load stopped."""
    answers = sum(one.answers for contender in contenders for one in contender.rounds)
    under_way = rows - answers
    rounds = sum(len(contender.rounds) for contender in contenders)
    # One answer that nobody waited for any more, and one question that was already sent.
    if not 0 <= under_way <= 2 * CONNECTIONS * rounds:
        raise SystemExit(f"{rows} rows were written for {answers} answers")
    print(f"\n{rows:,} rows for {answers:,} answers, and {under_way} calls under way when the load stopped")


def as_nginx_asks() -> dict[str, str]:
    """The headers of deploy/nginx, but for the client's credential."""
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
