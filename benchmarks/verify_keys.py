"""Verification with a million keys in the installation beside a thousand in another, in turn; and the memory of a
gateway for the keys that are verified."""

from __future__ import annotations

from benchmarks.contenders import (
    CONNECTIONS,
    HEAD,
    Contender,
    build_nginx_headers,
    format_cells,
    get_sizes,
    run_in_turn,
)
from benchmarks.figures import format_last_line, format_table
from benchmarks.installation import copy_database, copy_keys, installation, make_keys
from benchmarks.servers import gateway

FEW, MANY, QUICK_MANY = 1000, 1_000_000, 5_000
# Keys verified in the last line; half of what a process keeps in memory.
HOT, QUICK_HOT = 100_000, 1_000


def run(*, quick: bool) -> None:
    rounds, seconds = get_sizes(quick=quick)
    many, hot = (QUICK_MANY, QUICK_HOT) if quick else (MANY, HOT)
    headers = build_nginx_headers
    with installation():
        tokens = make_keys(FEW)
        few_keys = copy_database("few")
        # The same tokens again, whose keys are now among all the others.
        others = copy_keys(many - FEW)
        spread = others[:: max(len(others) // hot, 1)][:hot]
        with gateway(database=few_keys) as little, gateway() as large, gateway() as wide:
            few = Contender(f"{FEW:,} keys", little, "/v1/verify/billing", tokens)
            lot = Contender(f"{many:,} keys", large, "/v1/verify/billing", tokens)
            asked = Contender(f"{many:,} keys, {hot:,} of them asked about", wide, "/v1/verify/billing", spread)
            before = wide.memory()
            # Each key is loaded once before the measurement.
            asked.copy("all keys, once").measure(headers(), hot // 2000 + 1)
            contenders = [few, lot, asked]
            run_in_turn(contenders, headers(), rounds=rounds, seconds=seconds)
            taken = wide.memory() - before
    print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn\n")
    lines = [[each.name, f"{each.get_ratio_to(few):.2f}", *format_cells(each)] for each in contenders]
    print(format_table(("", f"x {FEW:,} keys", *HEAD), lines))
    print(f"\nMemory of a gateway process: {before / 1e6:.0f} MB at its start, {taken / hot / 1e3:.1f} KB a key in it")
    print(format_last_line("verify-keys", lot.get_ratio_to(few), must=0.8, aim=1.0))
