"""Run one benchmark. Each creates its own data and servers, and its last line is the ratio."""

from __future__ import annotations

import argparse
import importlib

# Each is `run(*, quick: bool) -> None` of the module of that name with `_` for `-`, except for names that a module
# cannot have.
MODULES = {"import": "document_import"}
NAMES = (
    *("verify", "verify-workers", "verify-latency", "verify-keys", "verify-changes"),
    *("log-page", "pages", "export", "audit-verify", "digests", "start", "support-pages", "attacks", "import"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--quick", action="store_true", help="short rounds, to see that it works; no figure to quote")
    arguments = parser.parse_args()
    module = MODULES.get(arguments.name, arguments.name.replace("-", "_"))
    importlib.import_module(f"benchmarks.{module}").run(quick=arguments.quick)


if __name__ == "__main__":
    main()
