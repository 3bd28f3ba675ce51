"""Calls with a million keys in the installation beside a thousand in another, in turn; and what the keys that are asked
about take of a gateway's memory."""

from __future__ import annotations

from benchmarks.contenders import CONNECTIONS, HEAD, Contender, as_nginx_asks, cells, run_in_turn, sizes
from benchmarks.figures import last_line, table
from benchmarks.installation import copy_database, copy_keys, installation, make_keys
from benchmarks.servers import gateway

FEW, MANY, QUICK_MANY = 1000, 1_000_000, 5_000
# So many are asked about in the last line; half of what a process remembers at once.
HOT, QUICK_HOT = 100_000, 1_000


def run(*, quick: bool) -> None:
    rounds, seconds = sizes(quick=quick)
    many, hot = (QUICK_MANY, QUICK_HOT) if quick else (MANY, HOT)
    headers = as_nginx_asks
    with installation():
        tokens = make_keys(FEW)
        few_keys = copy_database("few")
        # The same tokens again: their keys now lie among all the others.
        others = copy_keys(many - FEW)
        spread = others[:: max(len(others) // hot, 1)][:hot]
        with gateway(database=few_keys) as little, gateway() as large, gateway() as wide:
            few = Contender(f"{FEW:,} keys", little, "/v1/verify/billing", tokens)
            lot = Contender(f"{many:,} keys", large, "/v1/verify/billing", tokens)
            asked = Contender(f"{many:,} keys, {hot:,} of them asked about", wide, "/v1/verify/billing", spread)
            before = wide.memory()
            # Each is loaded once before it counts.
            asked.anew("all keys, once").measure(headers(), hot // 2000 + 1)
            contenders = [few, lot, asked]
            run_in_turn(contenders, headers(), rounds=rounds, seconds=seconds)
            taken = wide.memory() - before
    print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn\n")
    lines = [[each.name, f"{each.against(few):.2f}", *cells(each)] for each in contenders]
    print(table(("", f"x {FEW:,} keys", *HEAD), lines))
    print(f"\nMemory of a gateway process: {before / 1e6:.0f} MB at its start, {taken / hot / 1e3:.1f} KB a key in it")
    print(last_line("verify-keys", lot.against(few), must=0.8, aim=1.0))
