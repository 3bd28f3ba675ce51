"""What a second worker adds on the machine's cores, beside one worker; and without binding workers to cores."""

from __future__ import annotations

import os

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
from benchmarks.installation import installation, make_keys
from benchmarks.results import Ratio
from benchmarks.servers import Server, gateway
from benchmarks.sizes import Size
from config.cpu_affinity import bind_to_cores, get_usable_cores


def run(size: Size) -> list[Ratio]:
    rounds, seconds = get_rounds(size)
    with installation(), gateway() as single, gateway(workers=2) as double:
        tokens = make_keys(1000)
        one, two = (
            Contender(name, server, "/v1/verify/billing", tokens)
            for name, server in (("1 worker", single), ("2 workers", double))
        )
        anywhere = Anywhere(double)
        free = two.copy("2 workers, on any core", before=anywhere.begin, after=anywhere.end)
        rows = run_in_turn([one, two, free], build_nginx_headers(), rounds=rounds, seconds=seconds)
        print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn; client and database beside them\n")
        print(
            format_table(
                ("", "x 1 worker", *HEAD),
                [[each.name, f"{each.get_ratio_to(one):.2f}", *format_cells(each)] for each in (one, two, free)],
            )
        )
        check_rows([one, two, free], rows)
    return [Ratio("verify-workers", two.get_ratios_to(one), must=1.3, aim=1.7)]


class Anywhere:
    """Lets a server's workers run on any core for a while."""

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
