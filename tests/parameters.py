"""Parameters of tests of which `./test` takes a sample, and `./test --full` all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(values: Iterable[object], *sample: object) -> list[Any]:
    """Return a parameter for each value; all but those of the sample run with --full alone."""
    return [pytest.param(value, marks=[] if value in sample else [pytest.mark.full]) for value in values]
