"""A call costs the same however deep it is made: no chunk of the frame stack is mapped anew for each."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest
from django.conf import settings

from config.frame_stack import in_one_chunk
from config.middleware import FrameStack

CALLS = 300
DEPTHS = range(120)


def faults_of_calls(depth: int) -> int:
    """Return the page faults of CALLS calls in a loop, `depth` frames further down."""
    if depth:
        return faults_of_calls(depth - 1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(CALLS):
        call_nothing()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def call_nothing() -> None:
    pass


# A larger frame than those above it: at one depth or another it does not fit into what is left of a chunk.
call_nothing.__code__ = call_nothing.__code__.replace(co_stacksize=100)


def most_faults(calls: Callable[[int], int]) -> int:
    return max(map(calls, DEPTHS))


def test_calls_in_one_chunk_cost_the_same_at_every_depth() -> None:
    if most_faults(faults_of_calls) < CALLS:
        pytest.skip("this Python keeps a chunk for the next call")
    assert most_faults(in_one_chunk(faults_of_calls)) < CALLS / 10


def test_every_request_has_its_frames_in_one_chunk() -> None:
    assert settings.MIDDLEWARE[0] == "config.middleware.FrameStack"
    # What the middleware calls is deeper than this test by the same number of frames each time.
    handle = FrameStack(faults_of_calls)  # type: ignore[arg-type]
    assert most_faults(handle) < CALLS / 10  # type: ignore[arg-type]


def test_arguments_result_and_name_stay() -> None:
    def add(first: int, *, second: int) -> int:
        """Add."""
        return first + second

    assert in_one_chunk(add)(1, second=2) == 3
    assert (in_one_chunk(add).__name__, in_one_chunk(add).__doc__) == ("add", "Add.")
