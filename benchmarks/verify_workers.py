"""What a second worker adds: two on the machine's cores, beside one; and where the system chooses their cores."""

from __future__ import annotations

import os

from benchmarks.contenders import CONNECTIONS, HEAD, Contender, as_nginx_asks, cells, check_rows, run_in_turn, sizes
from benchmarks.figures import last_line, table
from benchmarks.installation import installation, make_keys
from benchmarks.servers import Server, gateway
from config.cpu_affinity import bind_to_cores, get_usable_cores


def run(*, quick: bool) -> None:
    rounds, seconds = sizes(quick=quick)
    with installation(), gateway() as single, gateway(workers=2) as double:
        tokens = make_keys(1000)
        one, two = (
            Contender(name, server, "/v1/verify/billing", tokens)
            for name, server in (("1 worker", single), ("2 workers", double))
        )
        anywhere = Anywhere(double)
        free = two.anew("2 workers, on any core", before=anywhere.begin, after=anywhere.end)
        rows = run_in_turn([one, two, free], as_nginx_asks(), rounds=rounds, seconds=seconds)
        print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn; client and database beside them\n")
        print(
            table(
                ("", "x 1 worker", *HEAD),
                [[each.name, f"{each.against(one):.2f}", *cells(each)] for each in (one, two, free)],
            )
        )
        check_rows([one, two, free], rows)
    print(last_line("verify-workers", two.against(one), must=1.3, aim=1.7))


class Anywhere:
    """For a while a server's workers are not kept to their cores."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._kept: dict[int, list[int]] = {}

    def begin(self) -> None:
        self._kept = {pid: sorted(os.sched_getaffinity(pid)) for pid in map(int, self.server.workers())}
        for pid in self._kept:
            bind_to_cores(pid, get_usable_cores())

    def end(self) -> None:
        for pid, cores in self._kept.items():
            bind_to_cores(pid, cores)
