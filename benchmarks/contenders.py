"""Servers that are measured in turn, and their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.load import Load, load
from benchmarks.servers import Server
from benchmarks.sizes import Size

CONNECTIONS = 64


def get_rounds(size: Size) -> tuple[int, float]:
    """Return the number of rounds, and the seconds of each: many short ones, because the speed of a shared machine
    changes from one second to the next."""
    return size.choose(quick=(1, 1.0), normal=(7, 1.0), full=(14, 2.0))


@dataclass
class Contender:
    """A server under load. `tokens` are what clients send after `scheme`; `before` and `after` surround each round."""

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

    def get_ratio_to(self, other: Contender) -> float:
        """Return the median of `get_ratios_to`."""
        return median(self.get_ratios_to(other))

    def get_ratios_to(self, other: Contender) -> list[float]:
        """Return, for each round, this contender's calls per second to the other's."""
        pairs = zip(self.rounds, other.rounds, strict=True)
        return [mine.per_second / others.per_second for mine, others in pairs]

    def copy(self, name: str, **changes: object) -> Contender:
        """Return a contender without rounds for the same server, with these changes."""
        return replace(self, name=name, rounds=[], cpu=[], **changes)  # type: ignore[arg-type]


def run_in_turn(contenders: Sequence[Contender], headers: dict[str, str], *, rounds: int, seconds: float) -> int:
    """Run the rounds, after a short one each to warm up unless there is only one; return how many rows Keyward
    logged."""
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


def format_cells(contender: Contender) -> list[str]:
    """Return the cells of a contender under HEAD."""
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
    """Check that every answer has its row; more rows are of calls that were pending when the load of a round
    stopped."""
    answers = sum(one.answers for contender in contenders for one in contender.rounds)
    under_way = rows - answers
    rounds = sum(len(contender.rounds) for contender in contenders)
    # One answer that no client waited for any more, and one request already sent.
    if not 0 <= under_way <= 2 * CONNECTIONS * rounds:
        raise SystemExit(f"{rows} rows were written for {answers} answers")
    print(f"\n{rows:,} rows for {answers:,} answers, and {under_way} calls under way when the load stopped")


def build_nginx_headers() -> dict[str, str]:
    """Return the headers of deploy/nginx without the client's credential."""
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
