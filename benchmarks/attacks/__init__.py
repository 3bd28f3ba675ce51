"""What somebody without a credential, or a tenant, can do to all others: verify's and a page's p99 under each attack,
beside quiet; and what the attack leaves behind, in rows, on the disk and in open connections, or costs the portal."""

from __future__ import annotations

from benchmarks.attacks.attack import Attack
from benchmarks.attacks.clients import Calls, Pages
from benchmarks.attacks.gateway import GATEWAY
from benchmarks.attacks.measure import Installation, measure
from benchmarks.attacks.portal import PORTAL
from benchmarks.attacks.uploads import UPLOADS
from benchmarks.figures import last_line, table

ATTACKS: tuple[Attack, ...] = (*GATEWAY, *PORTAL, *UPLOADS)
HEAD = (
    *("attack", "verify p99", "quiet", "x", "page p99", "quiet", "x"),
    *("portal MB above idle", "portal CPU"),
    *("attempts/s", "rows/s", "kB/s", "gateway connections", "database connections"),
)


def run(*, quick: bool) -> None:
    rounds, seconds = (1, 0.6) if quick else (6, 5.0)
    with Installation() as installed:
        clients = Calls(installed), Pages(installed)
        for client in clients:
            client.measure(min(seconds, 2.0))
        found = [measure(attack, installed, clients, rounds=rounds, seconds=seconds) for attack in ATTACKS]
    print(f"ms; {rounds} rounds of {seconds:g} s for each attack, with a quiet one before each; fsync on\n")
    print(table(HEAD, [one.cells for one in found]))
    print("\nNo call and no page was refused")
    print(last_line("attacks", max(one.ratio for one in found), must=3, aim=1.5))
