"""Verification while ten keys a second change that are being verified, beside none."""

from __future__ import annotations

import threading
from itertools import count

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
from benchmarks.servers import gateway
from benchmarks.sizes import Size

EVERY = 0.1


class Changes:
    """Renames one key after the other, which to the gateway is an edit: the epoch moves."""

    def __init__(self) -> None:
        self.made = 0

    def begin(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._change)
        self._thread.start()

    def end(self) -> None:
        self._end.set()
        self._thread.join()

    def _change(self) -> None:
        from django.db import connection

        from keys.models import Key

        ids = list(Key.objects.order_by("id").values_list("id", flat=True))
        for turn in count():
            if self._end.wait(EVERY):
                break
            Key.objects.filter(pk=ids[turn % len(ids)]).update(name=f"Shop renamed {turn}")
            self.made += 1
        connection.close()


def run(size: Size) -> list[Ratio]:
    rounds, seconds = get_rounds(size)
    with installation(), gateway() as server:
        quiet = Contender("quiet", server, "/v1/verify/billing", make_keys(1000))
        changes = Changes()
        changing = quiet.copy("10 key changes a second", before=changes.begin, after=changes.end)
        rows = run_in_turn([quiet, changing], build_nginx_headers(), rounds=rounds, seconds=seconds)
        print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s in turn, {changes.made} changes\n")
        lines = [[each.name, f"{each.get_ratio_to(quiet):.2f}", *format_cells(each)] for each in (quiet, changing)]
        print(format_table(("", "x quiet", *HEAD), lines))
        check_rows([quiet, changing], rows)
    return [Ratio("verify-changes", changing.get_ratios_to(quiet), must=0.7, aim=0.9)]
