"""Claims on the same calls are found, also among thousands of routes of one shape."""

from __future__ import annotations

import time

from keys.apis.ambiguity import Claim, find_ambiguous_claims


def _claims(count: int) -> list[Claim]:
    return [Claim(f"m{n % 2}", "GET", "/{id}", {"action": str(n)}) for n in range(count)]


def test_thousands_of_routes_that_differ_in_a_condition_are_compared_fast():
    began = time.process_time()

    assert find_ambiguous_claims(_claims(5000)) is None
    assert time.process_time() - began < 1


def test_the_one_pair_among_thousands_is_found():
    twin = Claim("other", "GET", "/{name}", {"action": "4321"})

    assert find_ambiguous_claims([*_claims(5000), twin]) == (_claims(5000)[4321], twin)


def test_conditions_of_different_names_meet_where_the_shared_ones_agree():
    one = Claim("a", "GET", "/", {"x": "1", "y": "1"})

    assert find_ambiguous_claims([one, Claim("b", "GET", "/", {"x": "2", "z": "1"})]) is None
    both = one, Claim("b", "GET", "/", {"x": "1", "z": "1"})
    assert find_ambiguous_claims(both) == both
