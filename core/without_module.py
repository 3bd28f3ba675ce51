"""Importing a package as where an optional package that it uses is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_module(name: str) -> Iterator[None]:
    """Within, importing the module raises ModuleNotFoundError, unless it has been imported before."""
    if name in sys.modules:
        yield
        return
    # As the import system has it: None stands for a module that cannot be imported.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
