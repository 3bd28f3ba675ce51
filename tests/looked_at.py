"""Rows that the database looks at for a page: what the page costs on any machine, however busy."""

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
AS_AMONG_MANY = {
    **dict.fromkeys(("seq_page_cost", "random_page_cost"), "0"),
    **dict.fromkeys(("enable_seqscan", "enable_hashjoin", "enable_mergejoin"), "off"),
}


class Looked:
    """Counts them, of every SELECT."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT"):
            with context["connection"].connection.cursor() as cursor:
                cursor.execute(EXPLAIN + sql, params)
                ((plan,),) = cursor.fetchone()
            self.rows += _looked_at(plan["Plan"])
        return execute(sql, params, many, context)


def _looked_at(node: dict[str, Any]) -> int:
    """By this step of the plan and those below it: what a scan gave on, and what it read and left out."""
    below = sum(_looked_at(inner) for inner in node.get("Plans", ()))
    if node["Node Type"] not in SCANS:
        return below
    left_out = sum(count for name, count in node.items() if name.startswith("Rows Removed by"))
    return round((node["Actual Rows"] + left_out) * node["Actual Loops"]) + below


@contextmanager
def looked_at() -> Iterator[Looked]:
    """Of what this thread's connection is asked within."""
    looked = Looked()
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET {name} = {value}" for name, value in AS_AMONG_MANY.items()))
        try:
            with connection.execute_wrapper(looked):
                yield looked
        finally:
            cursor.execute("; ".join(f"RESET {name}" for name in AS_AMONG_MANY))
