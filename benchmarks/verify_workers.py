"""What a second worker adds: two on the machine's cores, beside one."""

from __future__ import annotations

from benchmarks.contenders import CONNECTIONS, HEAD, Contender, as_nginx_asks, cells, check_rows, run_in_turn, sizes
from benchmarks.figures import last_line, table
from benchmarks.installation import installation, make_keys
from benchmarks.servers import gateway


def run(*, quick: bool) -> None:
    rounds, seconds = sizes(quick=quick)
    with installation(), gateway() as single, gateway(workers=2) as double:
        tokens = make_keys(1000)
        one, two = (
            Contender(name, server, "/v1/verify/billing", tokens)
            for name, server in (("1 worker", single), ("2 workers", double))
        )
        rows = run_in_turn([one, two], as_nginx_asks(), rounds=rounds, seconds=seconds)
        print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn; client and database beside them\n")
        print(
            table(
                ("", "x 1 worker", *HEAD),
                [[each.name, f"{each.against(one):.2f}", *cells(each)] for each in (one, two)],
            )
        )
        check_rows([one, two], rows)
    print(last_line("verify-workers", two.against(one), must=1.3, aim=1.7))
