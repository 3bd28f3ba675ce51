"""Claims on the same calls are found, also among thousands of routes of one shape."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.apis.ambiguity import Claim, list_ambiguous_claims
from keys.decision.routes import get_specificity

MANY = 5000
LIMIT = 500


def overlap(one: Claim, other: Claim) -> bool:
    """Whether both are equally specific and could match the same call: what the search must find, pair by pair."""
    mine, theirs = one.template.split("/"), other.template.split("/")
    return (
        one.method == other.method
        and len(one.conditions) == len(other.conditions)
        and get_specificity(one.template) == get_specificity(other.template)
        and all(
            one.conditions[name] == other.conditions[name] for name in one.conditions.keys() & other.conditions.keys()
        )
        and all(segments_overlap(*pair) for pair in zip(mine, theirs, strict=True))
    )


def segments_overlap(mine: str, theirs: str) -> bool:
    if "{" not in mine + theirs:
        return mine == theirs
    heads, tails = zip(
        *((parts[0], parts[-1][::-1]) for parts in (re.split(r"\{\w+\}", each) for each in (mine, theirs))), strict=True
    )
    return all(one.startswith(other) or other.startswith(one) for one, other in (heads, tails))


SEGMENTS = ["a", "b", "{x}", "{y}", "a{x}", "ab{x}", "{x}a", "{x}ba", "a{x}a", "{x}.{y}", "a{x}-{y}b"]
CLAIMS = st.builds(
    Claim,
    st.sampled_from("ABC"),
    st.sampled_from(["GET", "POST"]),
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=3).map(lambda segments: "/" + "/".join(segments)),
    st.dictionaries(st.sampled_from("pqrs"), st.sampled_from("12"), max_size=3),
)


@given(st.lists(CLAIMS, max_size=40))
def test_the_same_claims_are_found_as_by_comparing_every_two(claims: list[Claim]):
    claims = [claim._replace(template=f"{claim.template}/") for claim in claims]
    expected = {
        number
        for pair in combinations(range(len(claims)), 2)
        if claims[pair[0]].module != claims[pair[1]].module and overlap(claims[pair[0]], claims[pair[1]])
        for number in pair
    }

    found = list_ambiguous_claims(claims, LIMIT)

    assert all(one.module != other.module and overlap(one, other) for one, other in found)
    # Equal claims are told apart by nothing, so that they count together.
    assert [claim for claim in claims if any(claim in pair for pair in found)] == [
        claims[number] for number in sorted(expected)
    ]
    assert bool(list_ambiguous_claims(claims, 1)) == bool(expected)


def estimate_all_pairs(make: Callable[[int], Claim]) -> float:
    """Return the seconds of CPU that comparing each pair would take on this machine, from a sample of them."""
    pairs = [(make(number), make(MANY - 1 - number)) for number in range(MANY // 4)]
    began = time.process_time()
    for one, other in pairs:
        overlap(one, other)
    return (time.process_time() - began) / len(pairs) * (MANY * (MANY - 1) / 2)


def a_module(number: int) -> str:
    return f"m{number % 2}"


@pytest.mark.parametrize(
    "make",
    [
        lambda n: Claim(a_module(n), "GET", "/{id}", {"action": str(n)}),
        lambda n: Claim(a_module(n), "GET", f"/area{n:05}-{{id}}", {}),
        lambda n: Claim(a_module(n), "GET", f"/a-{{id}}.kind{n:05}", {}),
        lambda n: Claim(a_module(n), "GET", f"/{{a}}/a{n:05}-{{b}}/{{c}}.b/{{d}}", {}),
        lambda n: Claim(a_module(n), "GET", f"/a{n % 70:02}-{{a}}/b{n // 70:02}-{{b}}", {}),
        lambda n: Claim(a_module(n), "GET", f"/{'a' * (n % 400)}{{x}}{n // 400 % 2}{n:05}", {}),
        lambda n: Claim(a_module(n), "GET", f"/{'a' * (n % 200)}{{x}}{'b' * (200 - n % 200)}{n}", {}),
        lambda n: Claim(a_module(n), "GET", "/", {f"p{n % 50}": str(n), "action": str(n)}),
        lambda n: Claim(a_module(n), "GET", "/", {"pqr"[n % 3]: str(n), "qrp"[n % 3]: str(n)}),
        lambda n: Claim("m", "GET", "/{a}/{b}-c", {f"p{n}": "1"}),
    ],
    ids=lambda make: make(1234).template[:30] + "?" + "&".join(make(1234).conditions),
)
@pytest.mark.slow
def test_thousands_of_routes_of_one_shape_are_compared_fast(make: Callable[[int], Claim]):
    began = time.process_time()

    assert list_ambiguous_claims(map(make, range(MANY)), LIMIT) == []
    assert time.process_time() - began < estimate_all_pairs(make) / 25


@pytest.mark.parametrize(
    "make",
    [
        lambda n: Claim(f"m{n}", "GET", f"/{{x{n}}}", {}),
        lambda n: Claim(a_module(n), "GET", "/", {f"p{n}": "1"}),
        lambda n: Claim(f"m{n // 2500}", "GET", "/", {f"p{n}": "1"}),
        lambda n: Claim(f"m{n // 4999}", "GET", "/", {f"p{n}": "1", "q": str(n // 4998)}),
        lambda n: Claim(a_module(n), "GET", f"/{'a' * (n % 400)}{{x}}", {}),
    ],
    ids=lambda make: make(1234).template[:30] + "?" + "&".join(make(1234).conditions),
)
@pytest.mark.slow
def test_thousands_of_routes_that_claim_the_same_calls_are_named_up_to_the_limit(make: Callable[[int], Claim]):
    began = time.process_time()

    found = list_ambiguous_claims(map(make, range(MANY)), LIMIT)

    assert 1 <= len(found) <= LIMIT
    assert all(one.module != other.module and overlap(one, other) for one, other in found)
    assert time.process_time() - began < estimate_all_pairs(make) / 25


def test_the_one_pair_among_thousands_is_found():
    claims = [Claim(a_module(n), "GET", "/{id}", {"action": str(n)}) for n in range(MANY)]
    twin = Claim("other", "GET", "/{name}", {"action": "4321"})

    assert list_ambiguous_claims([*claims, twin], LIMIT) == [(claims[4321], twin)]


def test_conditions_of_different_names_meet_where_the_shared_ones_agree():
    one = Claim("a", "GET", "/", {"x": "1", "y": "1"})

    assert list_ambiguous_claims([one, Claim("b", "GET", "/", {"x": "2", "z": "1"})], LIMIT) == []
    both = one, Claim("b", "GET", "/", {"x": "1", "z": "1"})
    assert list_ambiguous_claims(both, LIMIT) == [both]
