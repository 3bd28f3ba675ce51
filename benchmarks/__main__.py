"""Run one benchmark: each makes its own data and servers, and ends with its ratio."""

from __future__ import annotations

import argparse
import importlib

# The module of each benchmark has `run(*, quick: bool) -> None`.
NAMES = {"verify": "benchmarks.verify"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that it works; no figure to quote")
    arguments = parser.parse_args()
    importlib.import_module(NAMES[arguments.name]).run(quick=arguments.quick)


main()
