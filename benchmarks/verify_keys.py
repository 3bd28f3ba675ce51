"""Calls with a million keys in the installation beside a thousand, each put beside a bare Django view at that time."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median

from benchmarks.contenders import CONNECTIONS, HEAD, Contender, as_nginx_asks, cells, run_in_turn, sizes
from benchmarks.figures import last_line, table
from benchmarks.installation import copy_keys, installation, make_keys
from benchmarks.servers import Server, gateway, peer
from benchmarks.verify import SITE, peer_database

FEW, MANY, QUICK_MANY = 1000, 1_000_000, 20_000
# As many as a process remembers at once are asked about in the last line.
HOT, QUICK_HOT = 100_000, 5_000


def run(*, quick: bool) -> None:
    rounds, seconds = sizes(quick=quick)
    many, hot = (QUICK_MANY, QUICK_HOT) if quick else (MANY, HOT)
    views = {"PEER_DATABASE": ""}
    with installation():
        tokens = make_keys(FEW)
        views["PEER_DATABASE"] = json.dumps(peer_database())
        with peer(SITE, views, ready="/", python=sys.executable) as django:
            with gateway() as server:
                few = _measured(f"{FEW:,} keys", server, django, tokens, rounds, seconds)
            # The same tokens again: their keys now lie among all the others.
            more = copy_keys(many - FEW)
            with gateway() as server:
                lot = _measured(f"{many:,} keys", server, django, tokens, rounds, seconds)
                spread = more[:: max(len(more) // hot, 1)][:hot]
                wide = _measured(f"{many:,} keys, {hot:,} of them asked about", server, django, spread, rounds, seconds)
                memory = _megabytes(server)
    pairs = [few, lot, wide]
    ratios = [ours.against(bare) / few[0].against(few[1]) for ours, bare in pairs]
    print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn with the bare view\n")
    lines = [
        [ours.name, f"{ours.against(bare):.2f}", f"{ratio:.2f}", *cells(ours)]
        for (ours, bare), ratio in zip(pairs, ratios, strict=True)
    ]
    print(table(("", "x bare", f"x {FEW:,} keys", *HEAD), lines))
    print(f"\nThe worker's memory with {hot + FEW:,} keys in it: {memory:.0f} MB")
    print(last_line("verify-keys", ratios[1], must=0.8, aim=1.0))


def _measured(
    name: str, server: Server, django: Server, tokens: list[str], rounds: int, seconds: float
) -> tuple[Contender, Contender]:
    ours = Contender(name, server, "/v1/verify/billing", tokens)
    bare = Contender("bare Django view", django, "/", tokens[:FEW], rows=False)
    if len(tokens) > FEW:
        # Each is loaded once before it counts.
        ours.measure(as_nginx_asks(), len(tokens) // 2000 + 1)
        ours.rounds.clear()
    run_in_turn([ours, bare], as_nginx_asks(), rounds=rounds, seconds=seconds)
    return ours, bare


def _megabytes(server: Server) -> float:
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in server.workers()]
    return median(pages) * 4096 / 1e6
