"""Verification with a million keys in the installation beside a thousand in another, in turn; and the memory of a
gateway for the keys that are verified."""

from __future__ import annotations

from benchmarks.contenders import (
    CONNECTIONS,
    HEAD,
    Contender,
    build_nginx_headers,
    format_cells,
    get_rounds,
    run_in_turn,
)
from benchmarks.figures import format_table
from benchmarks.installation import copy_database, copy_keys, installation, make_keys
from benchmarks.results import Ratio
from benchmarks.servers import gateway
from benchmarks.sizes import Size

FEW = 1000


def run(size: Size) -> list[Ratio]:
    rounds, seconds = get_rounds(size)
    many, hot = size.choose(quick=(2_000, 500), normal=(100_000, 20_000), full=(1_000_000, 100_000))
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
            wide_range = Contender(f"{many:,} keys, {hot:,} of them asked about", wide, "/v1/verify/billing", spread)
            before = wide.memory()
            # Each key is loaded once before the measurement.
            wide_range.copy("all keys, once").measure(headers(), hot // 2000 + 1)
            contenders = [few, lot, wide_range]
            run_in_turn(contenders, headers(), rounds=rounds, seconds=seconds)
            taken = wide.memory() - before
    print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn\n")
    lines = [[each.name, f"{each.get_ratio_to(few):.2f}", *format_cells(each)] for each in contenders]
    print(format_table(("", f"x {FEW:,} keys", *HEAD), lines))
    print(f"\nMemory of a gateway process: {before / 1e6:.0f} MB at its start, {taken / hot / 1e3:.1f} KB a key in it")
    return [Ratio("verify-keys", lot.get_ratios_to(few), must=0.8, aim=1.0)]
