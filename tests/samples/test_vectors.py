"""The published worked examples hold in every language: asked of the samples' own functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest

from keys.crypto.signatures import build_string_to_sign, sign
from keys.docs.samples import Kind, build_samples
from tests.samples.programs import Language

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "docs" / "signature-vectors.json").read_text())
SECRET = VECTORS["secret"]
# Any two of them beside each other: what sorts, decodes or counts otherwise than bytes do is found out.
ODD = ("a=2", "a-=1", "a=10", "a%20=", "A", "%00=%ff", "10=x", "9=+%2b", "1e1==&", "%7e=%2a*")


def code(kind: Kind, language: Language) -> str:
    offered = build_samples(kind, url="https://api.example.com/reports", api_id=VECTORS["api_id"])
    return next(sample.code for sample in offered if sample.language == language.slug)


@pytest.mark.quality(8)
def test_every_request_is_signed_as_published(language: Language, tmp_path: Path, figure: Callable[[str], None]):
    cases: list[tuple[str, ...]] = []
    signatures = []
    for each in VECTORS["requests"]:
        path, _, query = each["target"].partition("?")
        cases.append((each["method"], path, query, each["timestamp"], each["nonce"], each["body_sha256"]))
        signatures.append(each["signature"])
    signed_parts = {"timestamp": "1767225600", "nonce": "odd-queries-00001", "body_sha256": "0" * 64}
    for pair in permutations(ODD, 2):
        query = "&".join(pair)
        cases.append(("GET", "/", query, *signed_parts.values()))
        signatures.append(sign(SECRET, build_string_to_sign(method="GET", path="/", query=query, **signed_parts)))
    made = language.ask(tmp_path, code("signature", language), "signature", cases, secret=SECRET)
    wrong = [case[:3] for case, signature, got in zip(cases, signatures, made, strict=True) if got != signature]
    published = len(VECTORS["requests"])
    assert (wrong, published) == ([], 21)
    figure(
        f"{published} worked examples and {len(cases) - published} odd queries signed as published in {language.slug}"
    )


def test_every_link_has_the_published_key(language: Language, tmp_path: Path):
    links = VECTORS["recording_links"]
    cases = [(each["lead_id"], each["expires"]) for each in links]
    made = language.ask(tmp_path, code("recording", language), "lead_id_key", cases, secret=SECRET)
    assert made == [each["lead_id_key"] for each in links]
