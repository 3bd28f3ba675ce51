"""Reserves memory for the Python frames of a request in one chunk.

CPython keeps the frames of Python functions in chunks of 16 KiB. A call for which the chunk has no room maps another
one, and its return unmaps it: a loop at the end of a chunk costs two system calls and a page fault for each call.
Django's middlewares alone fill several chunks, so one frame more or less, anywhere above a template, may double the
time of a page (https://github.com/python/cpython/issues/142183; newer releases of 3.13 and 3.14 keep one chunk for the
next call). Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# In words of 8 bytes. A frame of this size gets a chunk of 512 KiB and uses little of it: the rest holds about 800
# frames of the calls below. Untouched memory costs nothing.
FRAME_WORDS = 32_000


def in_one_chunk(function: Callable[P, R]) -> Callable[P, R]:
    """Return the function wrapped so that each call reserves one chunk for the frames of everything that it calls."""

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return function(*args, **kwargs)

    call.__code__ = call.__code__.replace(co_stacksize=FRAME_WORDS)
    return wraps(function)(call)
