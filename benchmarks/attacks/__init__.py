"""What a client without a credential, or a tenant, can do to all others.

Measures the p99 of verifications and of a page under each attack, beside quiet rounds, and what the attack leaves
behind or takes: log rows, disk space, open connections, memory and CPU time of the portal.
"""

from __future__ import annotations

from benchmarks.attacks.attack import Attack
from benchmarks.attacks.clients import Calls, Pages
from benchmarks.attacks.gateway import GATEWAY
from benchmarks.attacks.measure import Installation, measure
from benchmarks.attacks.portal import PORTAL
from benchmarks.attacks.uploads import UPLOADS
from benchmarks.figures import format_table
from benchmarks.results import Ratio
from benchmarks.sizes import Size

ATTACKS: tuple[Attack, ...] = (*GATEWAY, *PORTAL, *UPLOADS)
HEAD = (
    *("attack", "verify p99", "quiet", "x", "page p99", "quiet", "x"),
    *("portal MB above idle", "portal CPU"),
    *("attempts/s", "rows/s", "kB/s", "gateway connections", "database connections"),
)


def run(size: Size) -> list[Ratio]:
    rounds, seconds = size.choose(quick=(1, 0.3), normal=(2, 1.5), full=(6, 5.0))
    with Installation() as installed:
        clients = Calls(installed), Pages(installed)
        for client in clients:
            client.measure(min(seconds, 2.0))
        found = [measure(attack, installed, clients, rounds=rounds, seconds=seconds) for attack in ATTACKS]
    print(f"ms; {rounds} rounds of {seconds:g} s for each attack, with a quiet one before each; fsync on\n")
    print(format_table(HEAD, [one.cells for one in found]))
    print("\nNo call and no page was refused", flush=True)
    ratios = [Ratio(f"attacks {one.name}", [one.ratio]) for one in found]
    return [*ratios, Ratio("attacks", [max(one.ratio for one in found)], must=3, aim=1.5)]
