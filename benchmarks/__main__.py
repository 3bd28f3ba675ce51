"""Run one benchmark, or `all` in turn. Each creates its own data and servers, and its last line is the ratio. Without
an option each takes less than two minutes."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.results import format_comparison, save
from benchmarks.sizes import Size

# Each is `run(size: Size) -> list[Ratio]` of the module of that name with `_` for `-`, except for names that a module
# cannot have.
MODULES = {"import": "document_import"}
NAMES = (
    *("verify", "verify-workers", "verify-latency", "verify-keys", "verify-changes"),
    *("log-page", "pages", "export", "audit-verify", "digests", "start", "support-pages", "attacks", "import"),
    *("roll-up", "growth"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=(*NAMES, "all"))
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--quick", action="store_true", help="short rounds, to see that it works; no figure to quote")
    sizes.add_argument("--full", action="store_true", help="the whole figure; takes up to ten minutes")
    parser.add_argument("--save", type=Path, metavar="FILE", help="add the ratios to this file")
    parser.add_argument("--against", type=Path, metavar="FILE", help="print which ratios moved since the saved run")
    arguments = parser.parse_args()
    if arguments.name == "all":
        # A process each, because each configures Django for an installation of its own.
        for name in NAMES:
            print(f"\n--- {name}\n", flush=True)
            subprocess.run([sys.executable, "-m", "benchmarks", name, *sys.argv[2:]], check=True)
        return
    size = Size.QUICK if arguments.quick else Size.FULL if arguments.full else Size.NORMAL
    # Before the run, so that a missing file costs no minutes.
    saved = json.loads(arguments.against.read_text()) if arguments.against else None
    module = MODULES.get(arguments.name, arguments.name.replace("-", "_"))
    ratios = importlib.import_module(f"benchmarks.{module}").run(size)
    if arguments.save:
        save(arguments.save, ratios, size)
    if saved is not None:
        print(f"\n{format_comparison(ratios, saved)}")
    print()
    for ratio in ratios:
        if ratio.must is not None:
            print(ratio.format_line())


if __name__ == "__main__":
    main()
