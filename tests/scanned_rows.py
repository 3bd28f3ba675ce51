"""Count the rows that the database scans for a page: the page's cost, however busy the machine is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

EXPLAIN = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) "
# Not what a bitmap is made of: entries of an index alone, a hundred of which cost what a row does.
SCANS = {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
# Of a few thousand rows the database rightly reads all and sorts or hashes them. So it goes by rows alone, one by one,
# as it does among very many: then it reads all of them only where no index says which.
AS_AMONG_MANY = (
    *("seq_page_cost = 0", "random_page_cost = 0"),
    *("enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off"),
)


class ScannedRows:
    """The rows that SELECT statements scanned so far: an execute wrapper that explains each one first."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(EXPLAIN + sql, params)
                ((plan,),) = cursor.fetchone()
            self.rows += _sum_plan(plan["Plan"])
        return execute(sql, params, many, context)


def _sum_plan(node: dict[str, Any]) -> int:
    """Return the rows that this step of the plan and those below it read, whether returned or filtered out."""
    below = sum(_sum_plan(inner) for inner in node.get("Plans", ()))
    if node["Node Type"] not in SCANS:
        return below
    left_out = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    return round((node["Actual Rows"] + left_out) * node["Actual Loops"]) + below


@contextmanager
def count_scanned_rows() -> Iterator[ScannedRows]:
    """Count the rows that this connection's SELECT statements scan within the block."""
    scanned = ScannedRows()
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET {setting}" for setting in AS_AMONG_MANY))
        try:
            with connection.execute_wrapper(scanned):
                yield scanned
        finally:
            cursor.execute("; ".join(f"RESET {setting.split()[0]}" for setting in AS_AMONG_MANY))
